-- part: messages
-- With what tells where a message is: its record, the claim, and the hold of its bucket.
select message.id, message.tenant_id, message.sender, message.recipient, message.subject, record.state, record.reason,
    record.priority, record.attempts, record.due_at, record.expires_at, record.changed_at, record.note, claimed.begun_at,
    claimed.note as begun_note, record.due_at <= now() and bucket.held_until > now() as is_held,
    case when isfinite(bucket.held_until) then bucket.held_until end as held_until,
    greatest(bucket.held_at, record.due_at) as held_at, bucket.reason as hold_reason, bucket.words as hold_words,
    bucket.name as bucket, message.campaign
from mail.messages as message
join queue.records as record on record.id = message.id
join queue.buckets as bucket on bucket.id = record.bucket_id
left join queue.claimed as claimed on claimed.id = message.id

-- name: enqueue
select id, is_new, is_same from mail.enqueue(
    :tenant_id, cast(:buckets as text[]), cast(:priorities as smallint[]), cast(:run_ats as timestamptz[]),
    cast(:expiries as timestamptz[]), cast(:bodies as bytea[]), cast(:keys as bytea[]), cast(:digests as bytea[]),
    cast(:senders as text[]), cast(:recipients as text[]), cast(:hashes as bytea[]), cast(:subjects as text[]),
    cast(:campaigns as text[]), cast(:mails_per_month as bigint))

-- name: providers_of
select domain, provider from policy.providers_of(cast(:domains as text[]))

-- name: list
{messages}
where message.tenant_id = :tenant_id and (cast(:before as uuid) is null or message.id < cast(:before as uuid))
order by message.id desc
limit :limit

-- name: view
{messages}
where message.id = cast(:id as uuid)

-- name: events
select at, kind, state, reason, words, details from mail.events where message_id = :id order by at

-- name: publish
-- An equal document changes nothing, so that every pass may publish.
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
