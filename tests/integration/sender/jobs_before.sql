-- Jobs of the schema before, in all of its states: {rows} of 20 tenants in the last four days.
create temporary table made as
select number,
    (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(number % 4096), 3, '0')
        || '8' || substr(md5(number::text), 1, 15))::uuid as id,
    (lpad(to_hex(number % 20 + 1), 32, '0'))::uuid as tenant_id, at,
    (array['queued', 'queued', 'migrated_to_redis', 'held', 'deferred', 'handing_over', 'unknown', 'accepted',
        'bounced_content', 'expired'])[number % 10 + 1] as state
from (
    select number, now() - interval '1 second' - number * interval '4 days' / {rows} as at
    from generate_series(0, {rows} - 1) as number
) as numbers;

insert into queue.jobs (
    id, tenant_id, generation, priority, state, reason, run_at, expires_at, attempt_count, lease_owner, lease_token,
    lease_until, address, queue_id, message_id, idempotency_key, request_digest, created_at, updated_at, finished_at)
select id, tenant_id, 1, 100, state,
    case state when 'held' then 'not_published' when 'deferred' then 'unreachable' when 'unknown' then 'answer_lost' end,
    run_at, run_at + interval '48 hours', case when state in ('queued', 'migrated_to_redis', 'held') then 0 else 1 end,
    null, number, null, case when state in ('accepted', 'handing_over') then 'mx1-2' end,
    case when state = 'accepted' then '4ABC' end, format('<%s@acme.example>', replace(id::text, '-', '')),
    case when number = 0 then 'key-1' end, sha256('x'), at, at,
    case when state in ('accepted', 'bounced_content', 'expired', 'unknown') then at end
from made cross join lateral (
    select case when number % 10 in (1, 4) then now() + interval '1 day' else at end as run_at) as due;

insert into queue.payloads (job_id, tenant_id, body)
select id, tenant_id, jsonb_build_object(
    'from', format('Sales%s@acme.example', number % 3), 'to', 'bob@rcpt.example', 'subject', format('Mail %s', number),
    'text', 'Hello Bob', 'priority', 100, 'references', '[]'::jsonb, 'attachments',
    case when number % 1000 = 0 then '[{"content": "", "content_type": "application/pdf", "filename": "a.pdf"}]'::jsonb
    else '[]'::jsonb end)
from made;

insert into queue.attachments (job_id, number, tenant_id, content)
select id, 0, tenant_id, decode((
    select string_agg(lpad(to_hex(octet % 256), 2, '0'), '' order by octet) from generate_series(0, 767) as octet), 'hex')
from made where number % 1000 = 0;

insert into queue.events (job_id, tenant_id, at, kind, state, message)
select id, tenant_id, at, 'enqueued', 'queued', 'queued' from made
union all
select id, tenant_id, at, 'migrated', 'migrated_to_redis', 'claimed' from made where state = 'accepted'
union all
select id, tenant_id, at, 'handing_over', 'handing_over', 'hand-over' from made where state = 'accepted'
union all
select id, tenant_id, at + interval '1 s', 'outcome', 'accepted', 'accepted' from made where state = 'accepted';

insert into suppression.entries (tenant_id, recipient, reason, source, added_at)
select distinct tenant_id, sha256('eve@rcpt.example'), 'unsubscribed', 'one-click', timestamptz '2026-11-24T12:10Z' from made;
