-- part: messages
-- With what tells where a message is: its record, the claim, and the hold of its bucket.
select message.id, message.tenant_id, message.sender, message.recipient, message.subject, record.state, record.reason,
    record.priority, record.attempts, record.due_at, record.expires_at, record.changed_at, record.note, claimed.begun_at,
    claimed.note as begun_note, record.due_at <= now() and bucket.held_until > now() as is_held,
    case when isfinite(bucket.held_until) and not bucket.endless then bucket.held_until end as held_until,
    greatest(bucket.held_at, record.due_at) as held_at, bucket.reason as hold_reason, bucket.words as hold_words,
    bucket.name as bucket, message.campaign
from mail.messages as message
join queue.records as record on record.id = message.id
join queue.buckets as bucket on bucket.id = record.bucket_id
left join queue.claimed as claimed on claimed.id = message.id

-- name: enqueue
-- For the driver itself: SQLAlchemy would send octets in hexadecimal, and write those of a batch for half a second.
select id, is_new, is_same from mail.enqueue(
    %(tenant_id)s, %(buckets)s::text[], %(priorities)s::smallint[], %(run_ats)s::timestamptz[],
    %(expiries)s::timestamptz[], %(bodies)b::bytea[], %(keys)b::bytea[], %(digests)b::bytea[],
    %(senders)s::text[], %(recipients)s::text[], %(hashes)b::bytea[], %(subjects)s::text[],
    %(campaigns)s::text[], %(mails_per_month)s::bigint, %(mails_queued)s::bigint, %(is_urgent)s)

-- name: untimely
-- Which messages `mail.enqueue` refuses, by their numbers from 0, though it would refuse others first.
with message as (
    select number - 1 as number, wait.delay, coalesce(expiry - now() - wait.delay, limits.longest) as life, limits.longest
    from unnest(cast(:run_ats as timestamptz[]), cast(:expiries as timestamptz[])) with ordinality
        as message (due, expiry, number)
    cross join lateral (select greatest(coalesce(due, now()) - now(), interval '0') as delay) as wait
    cross join (select interval '30 days' as longest) as limits
)
select coalesce(array_agg(number order by number) filter (where life <= interval '0'), '{}') as early,
    coalesce(array_agg(number order by number) filter (where life > longest), '{}') as late,
    coalesce(array_agg(number order by number) filter (where delay > longest), '{}') as far
from message

-- name: providers_of
select domain, provider from policy.providers_of(cast(:domains as text[]))

-- name: find_by_keys
-- For the transaction: what is joined is found by keys. The planner counts each of the partitions of
-- 90 days as if it was read for every row, and would read all of them once.
select set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)

-- part: range
tenant_id = :tenant_id
      and (cast(:before as uuid) is null or id < cast(:before as uuid))
      and (cast(:since as timestamptz) is null or id >= queue.least_id(cast(:since as timestamptz)))
      and (cast(:until as timestamptz) is null or id < queue.least_id(cast(:until as timestamptz)))

-- part: found
), seen as (
    select case when count(*) = :most then (array_agg(id order by id))[1] end as last from looked_at
), message as (
    {messages}
    where message.id in (select id from looked_at)
      and (cast(:campaign as text) is null or lower(message.campaign) = cast(:campaign as text))
), named as (
    select *, case state
        when 'done' then 'accepted'
        when 'dead' then case when reason = any(:content) then 'bounced_content' else 'bounced_infrastructure' end
        when 'queued' then case when begun_at is not null then 'handing_over' when is_held then 'held' else state end
        when 'retry' then case when begun_at is not null then 'handing_over' when is_held then 'held' else 'deferred' end
        else state end as shown
    from message
)
select seen.last, found.*
from seen left join lateral (
    select * from named
    where (cast(:states as text[]) is null or shown = any(cast(:states as text[])))
      and (cast(:reason as text) is null or cast(:reason as text) = case shown when 'held' then hold_reason else reason end)
      and (cast(:sender as text) is null or lower(sender) = cast(:sender as text))
    order by id desc
    limit :limit
) as found on true
order by id desc

-- name: search
-- Looks at so many messages only, the newest first: `last` is where the next search goes on.
with looked_at as materialized (
    select id from mail.messages
    where {range} and (cast(:recipient as bytea) is null or recipient_hash = cast(:recipient as bytea))
    order by id desc
    limit :most
{found}

-- name: search_not_accepted
-- As `search`; few messages are not accepted, and an index has them.
with looked_at as materialized (
    select id from queue.records
    where {range} and state <> 'done'
    order by id desc
    limit :most
{found}

-- name: view
{messages}
where message.id = cast(:id as uuid)

-- name: events
select at, kind, state, reason, words, details from mail.events where message_id = :id order by at

-- name: events_after
-- `last` is the last event that was looked at. No event is added any more before the oldest open transaction.
with looked_at as materialized (
    select message_id, at, state, reason, words, details, xid, number
    from mail.events
    where tenant_id = :tenant_id
      and (xid, number) > (cast(cast(:xid as text) as xid8), cast(:number as bigint))
      and xid < pg_snapshot_xmin(pg_current_snapshot())
      and (cast(:message_id as uuid) is null or message_id = cast(:message_id as uuid))
      and (cast(:since as timestamptz) is null or at >= cast(:since as timestamptz))
    order by xid, number
    limit :most
), last as (
    select xid, number from looked_at order by xid desc, number desc limit 1
)
select last.xid::text as last_xid, last.number as last_number, found.*,
    cast(cast(:xid as text) as xid8) < pg_snapshot_xmax(pg_current_snapshot()) as is_known
from (select) as one left join last on true left join lateral (
    select message_id, at, state, reason, words, details, xid::text as xid, number from looked_at
    where cast(:states as text[]) is null or state = any(cast(:states as text[]))
    order by looked_at.xid, number
    limit :limit
) as found on true

-- name: cancel
select mail.cancel(:tenant_id, cast(:ids as uuid[]), :reason, :words) as id

-- name: publish
-- An equal document changes nothing, so that every pass may publish. A From domain that the entry has no longer is
-- closed as addresses are, by the name `@acme.example`, for some days: a sender may remember it for a moment.
with given as (
    select address ->> 'name' as name, (address ->> 'draining')::boolean as draining
    from jsonb_array_elements(cast(:document as jsonb) -> 'addresses') as address
), domains as (
    select '@' || (domain ->> 'name') as name
    from jsonb_array_elements(cast(:document as jsonb) -> 'domains') as domain
), former as (
    select '@' || (domain ->> 'name') as name
    from directory.entries, jsonb_array_elements(document -> 'domains') as domain
    where tenant_id = :tenant_id
), opened as (
    delete from directory.draining
    where tenant_id = :tenant_id
      and (address in (select name from given where not draining union all select name from domains)
        or address like '@%' and since < now() - interval '7 days')
), closed as (
    insert into directory.draining (tenant_id, address)
    select :tenant_id, name from given where draining
    union
    select :tenant_id, name from former where name not in (select name from domains)
    on conflict do nothing
)
insert into directory.entries as entry (tenant_id, document, published_at)
values (:tenant_id, cast(:document as jsonb), :now)
on conflict (tenant_id) do update
set document = excluded.document, revision = entry.revision + 1, published_at = excluded.published_at
where entry.document <> excluded.document
returning revision

-- name: find_entry
select document from directory.entries where tenant_id = :tenant_id

-- name: home_of
select address from policy.homes where tenant_id = :tenant_id and domain = :domain and provider = :provider

-- name: withdraw
with ended as (
    delete from directory.stops where tenant_id = :tenant_id
), unpublished as (
    delete from directory.entries where tenant_id = :tenant_id
)
insert into directory.withdrawn (tenant_id) values (:tenant_id) on conflict do nothing

-- name: closed
-- Addresses that take no new mail, and From domains likewise.
select address from directory.draining
where tenant_id = :tenant_id and address = any(cast(:addresses as text[]))

-- name: begun
-- What is being handed over: to which address, and of which bucket.
select claimed.note as address, bucket.name as bucket
from queue.claimed join queue.buckets as bucket on bucket.id = claimed.bucket_id
where claimed.tenant_id = :tenant_id and claimed.begun_at is not null

-- name: claimants
-- The transactions that have written to `claimed`: each intent does, before it looks whether its address is closed.
select virtualtransaction from pg_locks
where relation = cast('queue.claimed' as regclass) and mode = 'RowExclusiveLock'
  and database = (select oid from pg_database where datname = current_database())

-- name: lose_accepted
select mail.lose_accepted(:tenant_id, :address, cast(:queue_ids as text[]), :reason, :words)
