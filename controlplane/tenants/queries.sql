-- part: tenants
select id, name, generation, observed_generation, document, applied_document, deleting,
    paused_at, paused_by, pause_reason, forgotten_zones, public_keys, sending_since, refresh_asked_at,
    bought_again, created_at, updated_at
from oltp.tenants

-- name: find
{tenants}
where id = coalesce(cast(:id as uuid), (select id from oltp.tenants where name = :name))

-- name: lock
select 1 from oltp.tenants
where id = coalesce(cast(:id as uuid), (select id from oltp.tenants where name = :name))
for no key update

-- name: page
{tenants}
where name >= :after
  and (:inclusive or name > :after)
  and (cast(:name as text) is null or name = :name)
  and (document->'spec' @> cast(:spec as jsonb)
    or applied_document->'spec' @> cast(:spec as jsonb)  -- what drains before a pass has seen so
    or exists (
        select from oltp.draining
        where tenant_id = tenants.id and released_at is null
          and jsonb_build_object('hosts', jsonb_build_array(host)) @> cast(:spec as jsonb))
    or exists (
        select from oltp.draining_domains as draining
        where tenant_id = tenants.id
          and jsonb_build_object('domains', jsonb_build_array(draining.spec)) @> cast(:spec as jsonb)))
order by name
limit :limit

-- part: with_reason
id in (
    select tenant_id from oltp.conditions
    where reason = :reason and (status <> 'True' or acts is not null))

-- name: page_with_reason
{tenants}
where name > :after and {with_reason}
order by name
limit :limit

-- name: page_with_labels
{tenants}
where name > :after
  and document->'metadata'->'labels' @> cast(:equal as jsonb)
  and document->'metadata'->'labels' ?& cast(:present as text[])
  and not document->'metadata'->'labels' ?| cast(:absent as text[])
  and not exists (
      select from jsonb_array_elements(cast(:among as jsonb)) as wanted
      where not wanted->1 ? (document->'metadata'->'labels'->>(wanted->>0)))
  and not exists (
      select from jsonb_array_elements(cast(:excluded as jsonb)) as unwanted
      where unwanted->1 ? (document->'metadata'->'labels'->>(unwanted->>0)))
  and (cast(:reason as text) is null or {with_reason})
order by name
limit :limit

-- name: insert
insert into oltp.tenants (id, name, generation, document, created_at, updated_at)
values (:id, :name, 1, cast(:document as jsonb), :now, :now)
on conflict (name) do nothing

-- name: replace
update oltp.tenants
set document = cast(:document as jsonb), generation = generation + 1, updated_at = :now
where id = :id

-- name: mark_deleting
update oltp.tenants set deleting = true, generation = generation + 1, updated_at = :now
where id = :id

-- name: is_paused
select paused_at is not null from oltp.tenants where id = :id

-- name: set_pause
update oltp.tenants set paused_at = :since, paused_by = :actor, pause_reason = :reason
where id = :id

-- name: ask_refresh
update oltp.tenants set refresh_asked_at = :now where id = :id

-- name: ask_refresh_of_all
update oltp.tenants set refresh_asked_at = :now

-- name: end_refresh
-- Another one may have been asked for meanwhile.
update oltp.tenants set refresh_asked_at = null where id = :id and refresh_asked_at = :asked_at

-- name: buy_again
-- What was recorded before stays while a host still has that server.
update oltp.tenants
set bought_again = cast(:service_ids as bigint[]) || array(
    select service_id from oltp.hosts
    where tenant_id = :id and service_id = any(bought_again)
        and service_id <> all(cast(:service_ids as bigint[])))
where id = :id

-- name: set_forgotten_zones
update oltp.tenants set forgotten_zones = :zones where id = :id

-- name: set_observed
update oltp.tenants
set observed_generation = :generation, applied_document = cast(:document as jsonb)
where id = :id and observed_generation <> :generation

-- name: set_public_keys
update oltp.tenants set public_keys = cast(:keys as jsonb) where id = :id

-- name: set_sending_since
update oltp.tenants set sending_since = :day where id = :id

-- name: delete
-- Operations and events are retained.
delete from oltp.tenants where id = :id

-- name: names
select id, name from oltp.tenants where id = any(:ids)

-- name: owner_of
select tenant_id from oltp.domains where name = :domain

-- name: domains_of
select name, occupies from oltp.domains where tenant_id = :id order by name

-- name: lock_domains
-- In order, so that two writers never deadlock.
select pg_advisory_xact_lock(:lock, number)
from (
    select distinct hashtext(name) as number
    from unnest(cast(:registered as text[])) as name order by number
) as numbers

-- name: show_domains
-- Lets a tenant's key see whose domains are below these registered ones, until it is empty again.
select set_config('app.claimed_domains', :registered, true)

-- name: taken_domains
-- Names contain no wildcard of `like`.
select distinct claimed.name
from unnest(
    cast(:names as text[]), cast(:occupied as text[]), cast(:registered as text[])
) as claimed (name, occupies, registered)
join oltp.domains as other
    on other.registered = claimed.registered and other.tenant_id <> :id
where '.' || claimed.occupies like '%.' || other.occupies
   or '.' || other.occupies like '%.' || claimed.occupies

-- name: remove_domains
delete from oltp.domains where tenant_id = :id and name = any(:names)

-- name: insert_domains
insert into oltp.domains (name, tenant_id, occupies, registered)
select name, :id, occupies, registered
from unnest(
    cast(:names as text[]), cast(:occupied as text[]), cast(:registered as text[])
) as claimed (name, occupies, registered)

-- name: forget_domains
-- A digest is recorded before the blueprint is applied.
delete from oltp.domains where tenant_id = :id and name <> all(:names)
  and not exists(select 1 from oltp.digests where tenant_id = :id)

-- name: release_domains
delete from oltp.domains as claimed
using oltp.tenants as tenant
where tenant.id = :id and claimed.tenant_id = :id and claimed.name <> all(:names)
  and not tenant.document->'spec'->'domains'
    @> jsonb_build_array(jsonb_build_object('name', claimed.name))

-- name: add_digest
insert into oltp.digests (tenant_id, digest, cloud) values (:id, :digest, :cloud)
on conflict do nothing

-- name: has_digest
select exists(select 1 from oltp.digests where tenant_id = :id and digest = :digest)

-- name: lock_response
select pg_advisory_xact_lock(:lock, hashtext(:name))

-- name: find_response
select request_hash, status, response::text as body from oltp.idempotency_keys
where owner = :owner and key = :key and created_at > :since

-- name: delete_expired_responses
delete from oltp.idempotency_keys where created_at <= :since

-- name: save_response
insert into oltp.idempotency_keys (owner, key, request_hash, status, response, created_at)
values (:owner, :key, :request_hash, :status, cast(:body as jsonb), :now)
on conflict (owner, key) do update
set request_hash = excluded.request_hash, status = excluded.status, response = excluded.response,
    created_at = excluded.created_at

-- name: load_draining
select draining.address, draining.host, draining.since, draining.released_at is not null as is_released,
    now() - draining.since >= cast(:limit as interval) or draining.since <= tenant.release_before is true as is_over
from oltp.draining as draining join oltp.tenants as tenant on tenant.id = draining.tenant_id
where draining.tenant_id = :tenant_id
order by draining.since, draining.address

-- name: add_draining
-- The host may have changed since the address was marked first.
insert into oltp.draining as draining (tenant_id, address, host)
values (:tenant_id, :address, cast(:host as jsonb))
on conflict (tenant_id, address) do update set host = excluded.host where draining.released_at is null

-- name: release_draining
update oltp.draining set released_at = now()
where tenant_id = :tenant_id and address = :address and released_at is null

-- name: remove_draining
delete from oltp.draining where tenant_id = :tenant_id and address = any(:addresses)

-- name: set_release_before
update oltp.tenants set release_before = case when :always then 'infinity' else now() end where id = :tenant_id

-- name: load_draining_domains
select draining.spec, draining.since, draining.claimed_at is not null as is_claimed,
    now() - draining.since >= cast(:limit as interval) or draining.since <= tenant.release_before is true as is_over
from oltp.draining_domains as draining join oltp.tenants as tenant on tenant.id = draining.tenant_id
where draining.tenant_id = :tenant_id
order by draining.since, draining.domain

-- name: add_draining_domain
-- The domain may have changed since it was marked first.
insert into oltp.draining_domains as draining (tenant_id, domain, spec)
values (:tenant_id, :domain, cast(:spec as jsonb))
on conflict (tenant_id, domain) do update set spec = excluded.spec

-- name: remove_draining_domains
delete from oltp.draining_domains where tenant_id = :tenant_id and domain = any(:domains)

-- name: end_draining_domains
select oltp.end_draining_domains(
    :id, cast(:occupied as text[]), cast(:registered as text[]), :now)

-- name: is_cancelled
select exists (
    select from oltp.operations
    where tenant_id = :tenant_id and generation = :generation and cancelled_by is not null
)
