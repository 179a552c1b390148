-- Partitions by the time of an id, and what drops them. May be run again.
create or replace function queue.least_id(moment timestamptz) returns uuid language sql immutable parallel safe as $$
    select (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;
comment on function queue.least_id is 'the smallest UUID version 7 of a moment: bounds of partitions';

create or replace function queue.days(ahead integer, behind integer) returns setof date language sql stable as $$
    select (now() at time zone 'UTC')::date + number from generate_series(-behind, ahead) as number
$$;

create or replace function queue.id_bounds(first date, last date) returns text[] language sql immutable as $$
    select array[
        queue.least_id(first::timestamp at time zone 'UTC'), queue.least_id((last + 1)::timestamp at time zone 'UTC')]::text[]
$$;

create or replace function queue.id_bounds(day date) returns text[] language sql immutable as $$
    select queue.id_bounds(day, day)
$$;

-- The table is attached, which does not stop those who insert rows, and named by its last day. Days of
-- which rows are in the default partition already stay there. Returns how many were made.
create or replace function queue.make_partition(parent text, day date, bounds text[], fill integer) returns integer language plpgsql as $$
declare
    part constant text := parent || to_char(day, '_YYYYMMDD');
begin
    if to_regclass(part) is not null then
        return 0;
    end if;
    execute format('create table %s (like %s including all) with (fillfactor = %s)', part, parent, fill);
    execute format('alter table %s attach partition %s for values from (%L) to (%L)', parent, part, bounds[1], bounds[2]);
    return 1;
exception when check_violation then
    return 0;
end
$$;

create or replace function queue.last_days(parent text) returns setof date language sql stable as $$
    select to_date(right(c.relname, 8), 'YYYYMMDD')
    from pg_inherits join pg_class as c on c.oid = inhrelid
    where inhparent = parent::regclass and c.relname ~ '_[0-9]{8}$'
$$;
comment on function queue.last_days is 'of the partitions that exist';

-- Partitions of weeks, from Monday to Sunday: what is kept for long has few of them, since each costs
-- every statement that may find its rows in any. A week of which a part has partitions, as earlier
-- versions made one for each day, gets one for its other days, and one of which rows are in the default
-- partition already, for those from tomorrow on.
create or replace function queue.make_weeks(parent text, fill integer, ahead integer, behind integer) returns integer
language plpgsql as $$
declare
    today constant date := (now() at time zone 'UTC')::date;
    monday date := date_trunc('week', today - behind);
    free date;
    begins date;
    made integer := 0;
    is_made boolean;
begin
    while monday <= today + ahead loop
        select coalesce(max(last_day) + 1, monday) into free
        from queue.last_days(parent) as last_day where last_day between monday and monday + 6;
        foreach begins in array array[free, greatest(free, today + 1)] loop
            exit when begins > monday + 6;
            is_made := queue.make_partition(parent, monday + 6, queue.id_bounds(begins, monday + 6), fill) > 0;
            made := made + is_made::integer;
            exit when is_made;
        end loop;
        monday := monday + 7;
    end loop;
    return made;
end
$$;

create or replace function queue.make_partitions(ahead integer, behind integer default 0) returns integer
language sql security definer set search_path = pg_catalog as $$
    select sum(queue.make_partition('queue.bodies', day, queue.id_bounds(day), 100))::integer
        + queue.make_weeks('queue.records', 80, ahead, behind)
    from queue.days(ahead, behind) as day
$$;

create or replace view queue.waiting_ids as
select id from queue.ready
union all select id from queue.scheduled
union all select id from queue.claimed
union all select id from queue.unknown;
comment on view queue.waiting_ids is 'jobs whose body and record are still needed';

-- Partitions of days that ended more than `keep` days ago, the oldest first.
create or replace function queue.closed_partitions(parent regclass, keep integer) returns regclass[] language sql stable as $$
    select coalesce(array_agg(c.oid::regclass order by c.relname), '{}')
    from pg_inherits join pg_class as c on c.oid = inhrelid
    where inhparent = parent and c.relname ~ '_[0-9]{8}$'
      and to_date(right(c.relname, 8), 'YYYYMMDD') < (now() at time zone 'UTC')::date - keep
$$;

create or replace function queue.bounds_of(part regclass) returns uuid[] language sql stable as $$
    select regexp_match(pg_get_expr(relpartbound, oid), $r$FROM \('(.+)'\) TO \('(.+)'\)$r$)::uuid[]
    from pg_class where oid = part
$$;
comment on function queue.bounds_of is 'of a partition by id: the first one, and the first one after it';

-- Jobs of a partition whose body and record are still needed; up to `most` are counted.
create or replace function queue.count_waiting(part regclass, most integer) returns bigint language sql stable as $$
    select count(*) from (
        select from queue.waiting_ids
        where id >= (queue.bounds_of(part))[1] and id < (queue.bounds_of(part))[2]
        limit most) as waiting
$$;

-- Drops the bodies of the oldest closed day of which few jobs wait; these are carried forward. `keep` is
-- counted in days.
create or replace function queue.drop_bodies(keep integer) returns integer
language plpgsql security definer set search_path = pg_catalog set enable_hashjoin = on as $$
declare
    most_carried constant integer := 100000;
    part regclass;
begin
    foreach part in array queue.closed_partitions('queue.bodies', keep) loop
        continue when queue.count_waiting(part, most_carried + 1) > most_carried;
        execute format(
            'insert into queue.carried_bodies (id, tenant_id, body)
             select body.id, body.tenant_id, body.body from %s as body
             where body.id in (select id from queue.waiting_ids)
             on conflict do nothing', part);
        execute format('drop table %s', part);
        return 1;
    end loop;
    return 0;
end
$$;

-- Drops the oldest closed records of which no job waits.
create or replace function queue.drop_records(keep integer) returns integer
language plpgsql security definer set search_path = pg_catalog as $$
declare
    part regclass;
begin
    foreach part in array queue.closed_partitions('queue.records', keep) loop
        if queue.count_waiting(part, 1) = 0 then
            execute format('drop table %s', part);
            return 1;
        end if;
    end loop;
    return 0;
end
$$;

-- They act as the owner of the tables, so a worker need not be it.
revoke execute on function queue.make_partitions, queue.drop_bodies, queue.drop_records from public;

create or replace function queue.share(relation regclass, blocks integer) returns double precision language sql stable as $$
    select least(1, blocks / greatest(pg_relation_size(relation) / current_setting('block_size')::float8, 1))
$$;
comment on function queue.share is 'the part of a table that so many blocks are, at most 1';
