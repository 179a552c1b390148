-- Only here the API writes to the queue, and only for its own tenant. An element of each array is a
-- message; `keys` and `digests` may be null. What would expire before it is due, or more than 30
-- days later, or is due in more than 30 days, is refused with the numbers of those messages, from 0, and so
-- is what the plan does not allow (null: anything); a repeated request is neither. Urgent is what operators send
-- with a priority up to 50: it comes before the mail of all tenants.
drop function mail.enqueue;
create function mail.enqueue(
    tenant uuid, buckets text[], priorities smallint[], due timestamptz[], expiries timestamptz[], contents bytea[],
    keys bytea[], digests bytea[], senders text[], recipients text[], hashes bytea[], subjects text[],
    campaigns text[], allowed_a_month bigint, most_queued bigint, is_urgent boolean default false,
    out id uuid, out is_new boolean, out is_same boolean
) returns setof record language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
#variable_conflict use_column
declare
    longest constant interval := '30 days';
    delays interval[];
    lives interval[];
    ids uuid[];
    are_new boolean[];
    are_same boolean[];
    early integer[];
    late integer[];
    far integer[];
    added bigint;
begin
    if tenant is distinct from nullif(current_setting('app.current_tenant_id', true), '')::uuid then
        raise insufficient_privilege using message = 'permission denied to enqueue for another tenant';
    end if;
    if most_queued is not null and not exists (
        select from queue.tenants where tenant_id = tenant and most_waiting = most_queued) then
        insert into queue.tenants (tenant_id, most_waiting) values (tenant, most_queued)
        on conflict (tenant_id) do update set most_waiting = excluded.most_waiting;
    end if;
    delays := array(select greatest(coalesce(at, now()) - now(), interval '0') from unnest(due) as at);
    lives := array(
        select coalesce(expiry - now() - delay, longest)
        from unnest(expiries, delays) with ordinality as message (expiry, delay, number) order by number);
    if buckets[1] = all (buckets) and priorities[1] = all (priorities) and delays[1] = all (delays) and lives[1] = all (lives)
    then
        select job.ids, coalesce(job.are_new, array_fill(true, array[cardinality(contents)])),
            coalesce(job.are_same, array_fill(true, array[cardinality(contents)]))
        into ids, are_new, are_same
        from queue.enqueue_alike(
            tenant, is_urgent, buckets[1], priorities[1], delays[1], lives[1], contents, keys, digests) as job;
    else
        select array_agg(job.id), array_agg(job.is_new), array_agg(job.is_same) into ids, are_new, are_same
        from queue.enqueue(tenant, is_urgent, buckets, priorities, delays, lives, contents, keys, digests) as job;
    end if;
    select array_agg(number - 1) filter (where life <= interval '0'), array_agg(number - 1) filter (where life > longest),
        array_agg(number - 1) filter (where delay > longest), count(*)
    into early, late, far, added
    from unnest(are_new, lives, delays) with ordinality as message (is_new, life, delay, number) where is_new;
    if early is not null or late is not null or far is not null then
        raise exception using errcode = 'QU422', message = 'messages are due, or would expire, too early or too late',
            detail = json_build_object(
                'early', coalesce(early, '{}'), 'late', coalesce(late, '{}'), 'far', coalesce(far, '{}'))::text;
    end if;
    if allowed_a_month is not null and added > 0 then
        perform mail.count_month(tenant, added, allowed_a_month);
    end if;
    insert into mail.messages (id, tenant_id, sender, recipient, recipient_hash, subject, campaign)
    select message.id, tenant, sender, recipient, recipient_hash, subject, campaign
    from unnest(ids, are_new, senders, recipients, hashes, subjects, campaigns)
        as message (id, is_new, sender, recipient, recipient_hash, subject, campaign)
    where is_new;
    return query select * from unnest(ids, are_new, are_same);
end
$$;
revoke execute on function mail.enqueue from public;
grant execute on function mail.enqueue to {api};
