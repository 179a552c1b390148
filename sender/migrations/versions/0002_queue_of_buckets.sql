create schema mail;

-- What lists and `explain` show of a message without its body; as long as its record.
create table mail.messages (
    id uuid not null,
    tenant_id uuid not null,
    sender text not null,
    recipient text not null,
    subject text not null,
    primary key (id)
) partition by range (id);
create index messages_of_tenant on mail.messages (tenant_id, id);

create table mail.events (
    message_id uuid not null,
    tenant_id uuid not null,
    at timestamptz not null default now(),
    kind text not null,
    state text not null,
    reason text,
    words text not null,
    details jsonb not null default '{}'
) partition by range (at);
create index events_of_message on mail.events (message_id, at);
comment on table mail.events is 'outcomes of attempts; why a message waits stands in the bucket';

create table mail.messages_default partition of mail.messages default;
create table mail.events_default partition of mail.events default;

create function mail.make_partitions(ahead integer, behind integer default 0) returns void language sql as $$
    select queue.make_partition('mail.messages', day, queue.id_bounds(day), 100),
        queue.make_partition('mail.events', day, array[
            (day::timestamp at time zone 'UTC')::text, ((day + 1)::timestamp at time zone 'UTC')::text], 100)
    from queue.days(ahead, behind) as day
$$;

-- Hand-overs of one UTC day, from the intent on; given back when the host refuses.
alter table queue.usage set schema mail;
alter table mail.usage drop constraint usage_handed_over_check;
alter table mail.usage add check (handed_over >= 0);

-- Only here the API writes to the queue, and only for its own tenant.
create function mail.enqueue(
    tenant uuid, buckets text[], priorities smallint[], due timestamptz[], contents bytea[], keys bytea[],
    digests bytea[], senders text[], recipients text[], subjects text[],
    out id uuid, out is_new boolean, out is_same boolean
) returns setof record language plpgsql security definer set search_path = pg_catalog as $$
#variable_conflict use_column
begin
    if tenant is distinct from nullif(current_setting('app.current_tenant_id', true), '')::uuid then
        raise insufficient_privilege using message = 'permission denied to enqueue for another tenant';
    end if;
    return query
    with job as materialized (
        select * from queue.enqueue(
            tenant, false, buckets, priorities,
            array(select greatest(coalesce(at, now()) - now(), interval '0') from unnest(due) as at),
            array_fill(interval '30 days', array[cardinality(due)]), contents, keys, digests)
            with ordinality as job (id, is_new, is_same, number)
    ), message as (
        insert into mail.messages (id, tenant_id, sender, recipient, subject)
        select job.id, tenant, sender, recipient, subject
        from job join unnest(senders, recipients, subjects)
            with ordinality as message (sender, recipient, subject, number) using (number)
        where job.is_new
    )
    select job.id, job.is_new, job.is_same from job order by number;
end
$$;

-- Days are counted back from today. Waits for nobody: what others use is dropped the next time. The
-- queue's workers keep up the queue's own tables; a message is kept for as long as its record.
create function mail.maintain(records integer, events integer) returns void
language plpgsql security definer set search_path = pg_catalog set lock_timeout = '2s' as $$
declare
    part regclass;
begin
    perform mail.make_partitions(3);
    foreach part in array queue.closed_partitions('mail.messages', records) loop
        if to_regclass(format('queue.records_%s', right(part::text, 8))) is null then
            execute format('drop table %s', part);
        end if;
    end loop;
    foreach part in array queue.closed_partitions('mail.events', events) loop
        execute format('drop table %s', part);
    end loop;
    delete from mail.usage where day < current_date - records;
end
$$;

-- What waits, what is unknown, and what became of the rest in the last 90 days.
create temporary table carried on commit drop as
select job.*, payload.body as message,
    case
        when job.state in ('queued', 'held', 'migrated_to_redis') then 'queued'
        when job.state = 'deferred' then 'retry'
        when job.state in ('handing_over', 'unknown') then 'unknown'
        when job.state = 'accepted' then 'done'
        when job.state in ('bounced_infrastructure', 'bounced_content') then 'dead'
        else job.state
    end as new_state,
    case
        when job.attempt_count = 0 and job.state in ('queued', 'held', 'migrated_to_redis', 'deferred')
        then greatest(job.expires_at, job.run_at + interval '30 days')
        else job.expires_at
    end as life_ends,
    case when job.state in ('held', 'migrated_to_redis') then least(job.run_at, now()) else job.run_at end as due_at,
    lower(payload.body ->> 'from') as bucket
from queue.jobs as job join queue.payloads as payload on payload.job_id = job.id
where job.finished_at is null or job.state = 'unknown' or job.finished_at > now() - interval '90 days';
analyze carried;

do $$
declare
    behind constant integer := (select least(coalesce(max(current_date - created_at::date), 0), 90) from carried);
begin
    perform queue.make_partitions(3, behind);
    perform mail.make_partitions(3, behind);
end
$$;

insert into queue.tenants (tenant_id, waiting)
select tenant_id, count(*) filter (where new_state in ('queued', 'retry')) from carried group by tenant_id;

insert into queue.buckets (tenant_id, name, filled)
select tenant_id, bucket, bool_or(new_state in ('queued', 'retry')) from carried group by tenant_id, bucket;

-- Files stand in the message itself.
create temporary table bodies on commit drop as
select carried.id, carried.tenant_id, convert_to((
    case when carried.message ? 'attachments' and files.list is not null
    then jsonb_set(carried.message, '{attachments}', files.list) else carried.message end)::text, 'UTF8') as body
from carried
left join lateral (
    select jsonb_agg(
        item.value || jsonb_build_object('content', replace(encode(file.content, 'base64'), E'\n', ''))
        order by file.number) as list
    from queue.attachments as file
    join jsonb_array_elements(carried.message -> 'attachments') with ordinality as item (value, number)
        on item.number = file.number + 1
    where file.job_id = carried.id
) as files on carried.message ? 'attachments'
where carried.new_state in ('queued', 'retry', 'unknown', 'dead');

insert into queue.bodies (id, tenant_id, body)
select bodies.* from bodies join carried using (id) where carried.new_state <> 'dead';

insert into queue.records (
    id, tenant_id, bucket_id, priority, attempts, state, reason, changed_at, due_at, expires_at, note)
select carried.id, carried.tenant_id, bucket.id, priority, attempt_count, new_state,
    case when new_state in ('queued', 'done') then null
    else coalesce(carried.reason, case when new_state = 'unknown' then 'worker_lost' end) end,
    updated_at, due_at, life_ends, nullif(concat_ws(' ', address, queue_id), '')
from carried
join queue.buckets as bucket on bucket.tenant_id = carried.tenant_id and bucket.name = carried.bucket;

insert into queue.ready (bucket_id, priority, due_at, id, tenant_id, expires_at, attempts)
select record.bucket_id, record.priority, record.due_at, record.id, record.tenant_id, record.expires_at, record.attempts
from queue.records as record where state in ('queued', 'retry') and due_at <= now();

insert into queue.scheduled (slot, due_at, id, bucket_id, priority, tenant_id, expires_at, attempts)
select get_byte(uuid_send(tenant_id), 15), due_at, id, bucket_id, priority, tenant_id, expires_at, attempts
from queue.records where state in ('queued', 'retry') and due_at > now();

insert into queue.unknown (
    id, token, tenant_id, bucket_id, priority, due_at, expires_at, attempts, losses, note, reason, since)
select id, 0, tenant_id, bucket_id, priority, due_at, expires_at, attempts, 0, note, reason, changed_at
from queue.records where state = 'unknown';

insert into queue.dead (
    id, tenant_id, bucket_id, priority, due_at, expires_at, attempts, reason, died_at, body)
select record.id, record.tenant_id, bucket_id, priority, due_at, expires_at, attempts, reason, changed_at, bodies.body
from queue.records as record join bodies using (id) where state = 'dead';

-- The digest of a request is another one now.
insert into queue.keys (tenant_id, key, id, created_at)
select tenant_id, substring(sha256(convert_to(idempotency_key, 'UTF8')) from 1 for 16), id, created_at
from carried where idempotency_key is not null;

insert into mail.messages (id, tenant_id, sender, recipient, subject)
select id, tenant_id, message ->> 'from', message ->> 'to', message ->> 'subject' from carried;

insert into mail.events (message_id, tenant_id, at, kind, state, reason, words, details)
select job_id, event.tenant_id, at, kind, event.state, event.reason, event.message, details
from queue.events as event join carried on carried.id = event.job_id
where kind not in ('enqueued', 'migrated') and at > now() - interval '30 days';

drop table queue.events, queue.attachments, queue.payloads, queue.jobs;
drop sequence queue.lease_tokens;

-- Who sees what: the API its tenant, the sender and operators all. Only the sender changes anything.
do $$
declare
    relation text;
    own text := 'tenant_id = nullif(current_setting(''app.current_tenant_id'', true), '''')::uuid';
begin
    foreach relation in array array[
        'queue.tenants', 'queue.buckets', 'queue.ready', 'queue.scheduled', 'queue.claimed', 'queue.arrivals',
        'queue.keys', 'queue.records', 'queue.bodies', 'queue.carried_bodies', 'queue.dead', 'queue.unknown',
        'mail.messages', 'mail.events'
    ] loop
        execute format('alter table %s enable row level security', relation);
        execute format('alter table %s force row level security', relation);
        execute format('create policy owner on %s to current_user using (true) with check (true)', relation);
        execute format('create policy sender on %s to {sender} using (true) with check (true)', relation);
        execute format('create policy operator on %s for select to {operator} using (true)', relation);
        execute format('create policy controller on %s for select to {controller} using (true)', relation);
        execute format('create policy api on %s for select to {api} using (%s)', relation, own);
    end loop;
end
$$;

-- The sender finds its rows by keys, however wrong the statistics of a queue are. Stored with the role: a
-- pooler takes no settings of a session.
alter role {sender} set enable_hashjoin = off;
alter role {sender} set enable_mergejoin = off;
alter role {sender} set enable_seqscan = off;
alter role {sender} set plan_cache_mode = force_generic_plan;
alter role {sender} set jit = off;
alter role {sender} set lock_timeout = '500ms';

revoke execute on function mail.enqueue, mail.maintain from public;
grant usage on schema mail to {api}, {operator}, {controller}, {sender};
grant execute on function mail.enqueue to {api};
grant execute on function mail.maintain to {sender};
grant execute on function queue.make_partitions, queue.drop_bodies, queue.drop_records to {sender};
grant select, delete on queue.bodies_default, queue.records_default to {sender};
grant select on mail.messages, mail.events, queue.records, queue.buckets, queue.claimed to {api};
grant select on
    queue.identity, queue.workers, queue.slots, queue.tenants, queue.buckets, queue.ready, queue.scheduled,
    queue.claimed, queue.arrivals, queue.keys, queue.records, queue.bodies, queue.carried_bodies, queue.dead,
    queue.unknown, mail.messages, mail.events to {operator}, {controller};
grant select, insert, update, delete on
    queue.identity, queue.workers, queue.slots, queue.tenants, queue.buckets, queue.ready, queue.scheduled,
    queue.claimed, queue.arrivals, queue.keys, queue.records, queue.bodies, queue.carried_bodies, queue.dead,
    queue.unknown, mail.messages, mail.events, mail.usage to {sender};
