alter table mail.messages add column campaign text;

create table mail.months (
    tenant_id uuid not null,
    month date not null,
    part smallint not null,
    mails bigint not null,
    primary key (tenant_id, month, part)
) with (fillfactor = 50);
comment on table mail.months is 'messages that tenants queued in a calendar month (UTC)';
comment on column mail.months.part is 'spreads the counter over several rows, so that those who queue rarely wait for each other';

alter table mail.months enable row level security;
alter table mail.months force row level security;
create policy owner on mail.months to current_user using (true) with check (true);
create policy sender on mail.months to {sender} using (true);
create policy operator on mail.months for select to {operator} using (true);
grant select, delete on mail.months to {sender};
grant select on mail.months to {operator};

-- Counts messages in this month, and refuses what is more than allowed. Transactions at the same moment
-- do not see each other: near the limit, they come one after the other.
create function mail.count_month(tenant uuid, added bigint, allowed bigint) returns void
language plpgsql set search_path = pg_catalog as $$
declare
    this_month constant date := date_trunc('month', now() at time zone 'UTC');
    uncounted constant integer := 20000;  -- more than others queue at the same moment
    counted bigint;
begin
    select coalesce(sum(mails), 0) into counted from mail.months where tenant_id = tenant and month = this_month;
    if counted + added > allowed - uncounted then
        perform queue.count_alone(tenant);
    end if;
    insert into mail.months as counter (tenant_id, month, part, mails)
    values (tenant, this_month, pg_backend_pid() % 8, added)
    on conflict (tenant_id, month, part) do update set mails = counter.mails + excluded.mails;
    select sum(mails) into counted from mail.months where tenant_id = tenant and month = this_month;
    if counted > allowed then
        raise exception using errcode = 'QU410', message = 'the plan allows no more messages in this month',
            detail = json_build_object(
                'allowed', allowed, 'queued', counted - added, 'month', to_char(this_month, 'YYYY-MM'))::text;
    end if;
end
$$;

-- Only here the API writes to the queue, and only for its own tenant. An element of each array is a
-- message; `keys` and `digests` may be null. What would expire before it is due, or more than 30
-- days later, or is due in more than 30 days, is refused with the numbers of those messages, from 0, and so
-- is what the plan does not allow (null: anything); a repeated request is neither.
drop function mail.enqueue;
create function mail.enqueue(
    tenant uuid, buckets text[], priorities smallint[], due timestamptz[], expiries timestamptz[], contents bytea[],
    keys bytea[], digests bytea[], senders text[], recipients text[], hashes bytea[], subjects text[],
    campaigns text[], allowed_a_month bigint, most_queued bigint,
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
    select array_agg(job.id), array_agg(job.is_new), array_agg(job.is_same) into ids, are_new, are_same
    from queue.enqueue(tenant, false, buckets, priorities, delays, lives, contents, keys, digests) as job;
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
revoke execute on function mail.enqueue, mail.count_month from public;
grant execute on function mail.enqueue to {api};
