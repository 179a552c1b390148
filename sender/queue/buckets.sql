-- The end of buckets that are not used any more. May be run again.

-- Drops up to `most` buckets that were empty before the oldest record was made, so that none names
-- them. A transaction that enqueues reads the id of a bucket first. Tables are locked so that none has read
-- one and not yet used it, `tenants` before `buckets`, as `enqueue` reads them; one that waits for these locks finds
-- no bucket then, and makes one. What was enqueued since the first look is in `arrivals`, or has filled its bucket.
create or replace function queue.drop_buckets(most integer) returns integer
language plpgsql security definer set search_path = pg_catalog set enable_hashjoin = on as $$
declare
    oldest constant uuid := coalesce(
        (select id from queue.records order by id limit 1), queue.least_id(now()));
    found bigint[] := array(
        select id from queue.buckets
        where not filled and held_until <= now() and queue.least_id(emptied_at + interval '1 day') < oldest);
    dropped integer;
begin
    if found = '{}' then
        return 0;
    end if;
    found := array(
        select bucket from unnest(found) as bucket
        where not exists (select from queue.scheduled where bucket_id = bucket)
          and not exists (select from queue.claimed where bucket_id = bucket)
          and not exists (select from queue.unknown where bucket_id = bucket)
          and not exists (select from queue.dead where bucket_id = bucket)
        limit most);
    if found = '{}' then
        return 0;
    end if;
    lock table queue.tenants, queue.buckets in access exclusive mode;
    delete from queue.buckets as bucket
    where id = any(found) and not filled and held_until <= now()
      and queue.least_id(emptied_at + interval '1 day') < oldest
      and not exists (select from queue.ready where bucket_id = bucket.id)
      and not exists (select from queue.arrivals where bucket_id = bucket.id);
    get diagnostics dropped = row_count;
    return dropped;
end
$$;

-- It acts as the owner of the tables, so a worker need not be it.
revoke execute on function queue.drop_buckets from public;
