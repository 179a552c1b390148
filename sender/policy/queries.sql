-- name: reserve
select mail, cap, is_stale, used, used_in_hour
from policy.reserve(
    %(kinds)b::text[], %(subjects)b::text[], %(days)b::date[], %(most)b::integer[], %(most_in_hour)b::integer[],
    %(curves)b::integer[], %(wanted)b::integer[], %(mails)b::integer[], %(caps)b::integer[],
    %(back_kinds)b::text[], %(back_subjects)b::text[], %(back_days)b::date[], %(back_hours)b::smallint[],
    %(back_counts)b::integer[])

-- name: advance
select policy.advance()

-- name: now
select now()

-- name: warm
-- Of those that have sent. A subject that was idle for 30 days starts again, also before the days are counted.
-- Each is looked up by its key: statistics know nothing of today's counters, of which a join would read all.
select wanted.kind, wanted.subject,
    case when known.last_used >= today.day - 30 then known.day else 1 end as day,
    coalesce(counter.used, 0) as used,
    case when counter.hour = today.hour then counter.used_in_hour else 0 end as used_in_hour
from unnest(%(kinds)b::text[], %(subjects)b::text[]) as wanted (kind, subject)
cross join (
    select (now() at time zone 'UTC')::date as day, extract(hour from now() at time zone 'UTC') as hour) as today
left join lateral (
    select day, last_used from policy.warmup where kind = wanted.kind and subject = wanted.subject limit 1) as known on true
left join lateral (
    select used, hour, used_in_hour from policy.counters
    where kind = wanted.kind and subject = wanted.subject and day = today.day limit 1) as counter on true
where known.day is not null or counter.used is not null

-- name: warmed
-- Whose day was set since a moment; looks further back, since transactions are committed in any order.
select kind, subject from policy.warmup where set_at > %(since)s::timestamptz - interval '10 seconds'

-- name: active_holds
select kind, subject, reason, words, nullif(upper(period), 'infinity') as until
from policy.holds cross join unnest(periods) as period
where period @> now()

-- name: hold
-- A hold that overlaps the one before is the same; it is explained by the one that ends last.
insert into policy.holds as hold (kind, subject, periods, reason, words, actor)
values (%(kind)s, %(subject)s,
    tstzmultirange(tstzrange(now(), coalesce(%(until)s::timestamptz, now() + %(lasting)s::interval, 'infinity'))),
    %(reason)s, %(words)s, %(actor)s)
on conflict (kind, subject) do update
set periods = hold.periods + excluded.periods, (reason, words, actor) = (
    select one.reason, one.words, one.actor
    from (values (1, hold.periods, hold.reason, hold.words, hold.actor),
        (2, excluded.periods, excluded.reason, excluded.words, excluded.actor)) as one (number, periods, reason, words, actor)
    order by upper(one.periods) desc, number desc limit 1)

-- name: list_holds
select kind, subject, reason, words, lower(period) as since, nullif(upper(period), 'infinity') as until, actor
from policy.holds cross join unnest(periods) as period
where period @> now()
  and (%(kinds)s::text[] is null or (kind, subject) in (select * from unnest(%(kinds)s::text[], %(subjects)s::text[])))
  and (kind, subject) > (%(after_kind)s, %(after_subject)s)
order by kind, subject limit %(limit)s

-- name: release
update policy.holds set periods = periods * tstzmultirange(tstzrange(null, now()))
where kind = %(kind)s and subject = %(subject)s and periods @> now()
returning kind

-- name: homes
select tenant_id, domain, provider, address from policy.homes where tenant_id = any(%(tenant_ids)s)

-- name: settle_homes
-- A home stays, unless the tenant no longer sends from its address.
with new as (
    select distinct on (tenant_id, domain, provider) tenant_id, domain, provider, address, kept::jsonb as kept
    from unnest(
        %(tenant_ids)s::uuid[], %(domains)s::text[], %(providers)s::text[], %(addresses)s::text[], %(kept)s::text[])
        as new (tenant_id, domain, provider, address, kept)
    order by tenant_id, domain, provider
), kept as (
    select home.tenant_id, home.domain, home.provider, home.address
    from policy.homes as home join new using (tenant_id, domain, provider)
    where new.kept ? home.address
), settled as (
    insert into policy.homes (tenant_id, domain, provider, address)
    select tenant_id, domain, provider, new.address from new
    where not exists (
        select from kept
        where kept.tenant_id = new.tenant_id and kept.domain = new.domain and kept.provider = new.provider)
    order by tenant_id, domain, provider
    on conflict (tenant_id, domain, provider) do update set address = excluded.address, since = now()
    returning tenant_id, domain, provider, address
)
select tenant_id, domain, provider, address from kept
union all
select tenant_id, domain, provider, address from settled

-- name: filled
select tenant_id, name from queue.buckets where tenant_id = any(%(tenant_ids)s) and filled

-- name: show
select wanted.kind, wanted.subject,
    coalesce(case when known.last_used >= today.day - 30 then known.day end, 1), known.started,
    coalesce(known.good_days, 0), coalesce(known.steps_back, 0), greatest(known.last_used, counter.last_used),
    coalesce(counter.used, 0), known.set_by, known.set_reason
from unnest(%(kinds)s::text[], %(subjects)s::text[]) with ordinality as wanted (kind, subject, number)
cross join (select (now() at time zone 'UTC')::date as day) as today
left join policy.warmup as known on known.kind = wanted.kind and known.subject = wanted.subject
cross join lateral (
    select max(day) as last_used, sum(used) filter (where day = today.day)::integer as used
    from policy.counters where kind = wanted.kind and subject = wanted.subject and used > 0) as counter
order by wanted.number

-- name: set_day
-- Days that are over count no more: what they have brought is in the day that is set.
insert into policy.warmup (kind, subject, day, started, counted_to, last_used, set_by, set_reason, set_at)
select wanted.kind, wanted.subject, %(day)s, today, today, today, %(actor)s, %(reason)s, now()
from unnest(%(kinds)s::text[], %(subjects)s::text[]) as wanted (kind, subject),
    (select (now() at time zone 'UTC')::date as today) as now
order by wanted.kind, wanted.subject
on conflict (kind, subject) do update
set day = excluded.day, counted_to = excluded.counted_to, last_used = excluded.last_used,
    set_by = excluded.set_by, set_reason = excluded.set_reason, set_at = now()

-- name: take_domains
-- New ones first. Who takes a domain and dies leaves it to be taken again after five minutes.
update policy.recipient_domains set look_at = now() + interval '5 minutes'
where domain = any(array(
    select domain from policy.recipient_domains where look_at <= now()
    order by looked_at is not null, look_at limit %(most)s
    for update skip locked))
returning domain

-- name: write_domains
-- What was resolved is looked up again after a week; it stays as it was where that fails.
update policy.recipient_domains as known
set provider = coalesce(found.provider, known.provider), reason = found.reason, looked_at = now(),
    failures = case when found.reason is null then 0 else known.failures + 1 end,
    look_at = now() + case when found.reason is null then interval '7 days'
        else least(interval '6 hours', interval '1 minute' * 2 ^ least(known.failures, 10)) end
from (
    select * from unnest(%(domains)s::text[], %(providers)s::text[], %(reasons)s::text[]) as found (domain, provider, reason)
    order by domain) as found
where known.domain = found.domain

-- name: domains
select domain, provider, reason from policy.recipient_domains where domain = any(%(domains)s::text[])

-- name: resolved_since
-- Looks further back, since transactions are committed in any order.
select domain, provider, reason from policy.recipient_domains
where looked_at > %(since)s::timestamptz - interval '10 seconds'

-- name: entry
select document from directory.entries where tenant_id = %(tenant_id)s

-- name: owners
-- Two tenants that share a name share its caps; the one that published first is shown.
select distinct on (part.kind, part.name) part.kind, part.name, entry.tenant_id, entry.document ->> 'tenant',
    coalesce(entry.document ->> 'warmup', 'standard')
from directory.entries as entry
cross join lateral (
    select 'address' as kind, address ->> 'ip' as name from jsonb_array_elements(document -> 'addresses') as address
    where 'address' = any(%(kinds)s::text[])
    union all
    select 'domain', domain ->> 'name' from jsonb_array_elements(document -> 'domains') as domain
    where 'domain' = any(%(kinds)s::text[])
    union all
    select 'mailbox', lower(mailbox ->> 'address') from jsonb_array_elements(document -> 'mailboxes') as mailbox
    where 'mailbox' = any(%(kinds)s::text[])) as part
where (part.kind, part.name) in (select * from unnest(%(kinds)s::text[], %(names)s::text[]))
order by part.kind, part.name, entry.published_at
