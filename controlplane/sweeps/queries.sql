-- All time is the database's: the clocks of replicas may differ.

-- name: claim
insert into oltp.sweeps (account, lease_owner, lease_until, token)
values ('hostwinds', :owner, clock_timestamp() + cast(:lease as interval), nextval('oltp.fencing'))
on conflict (account) do update
set lease_owner = excluded.lease_owner, lease_until = excluded.lease_until, token = excluded.token
where sweeps.due_at <= clock_timestamp()
    and (sweeps.lease_until is null or sweeps.lease_until < clock_timestamp())
returning token

-- name: renew
-- Not after its end, even if nobody has taken it: what was listed before may be long over.
update oltp.sweeps
set lease_until = clock_timestamp() + cast(:lease as interval)
where account = 'hostwinds' and token = :token and lease_until >= clock_timestamp()

-- name: release
update oltp.sweeps
set lease_owner = null, lease_until = null, due_at = clock_timestamp() + cast(:pause as interval),
    listed_at = case when :is_listed then clock_timestamp() else listed_at end
where account = 'hostwinds' and token = :token

-- name: age
select extract(epoch from clock_timestamp() - listed_at)::float8 from oltp.sweeps
where account = 'hostwinds'

-- name: listed
select service_id, main_ip from oltp.listed_servers

-- name: listed_of
select listed.service_id, listed.main_ip
from oltp.listed_servers as listed join oltp.hosts using (service_id)
where hosts.tenant_id = :tenant_id
order by listed.service_id

-- name: shown_of
select listed.service_id, listed.trouble, listed.addresses
from oltp.listed_servers as listed join oltp.hosts using (service_id)
where hosts.tenant_id = :tenant_id
order by listed.service_id

-- name: save_shown
-- What a server had before it was listed first is not known: its addresses are no change.
with known as materialized (
    select service_id, addresses is not null as is_known from oltp.listed_servers
),
written as (
    update oltp.listed_servers as listed
    set trouble = nullif(shown.trouble, ''), addresses = shown.addresses
    from unnest(
        cast(:service_ids as bigint[]), cast(:troubles as text[]), cast(:addresses as text[])
    ) as shown (service_id, trouble, addresses)
    where listed.service_id = shown.service_id
        and (nullif(shown.trouble, ''), shown.addresses)
            is distinct from (listed.trouble, listed.addresses)
    returning listed.service_id, listed.trouble
)
select service_id from written join known using (service_id)
where is_known or trouble is not null

-- name: save
insert into oltp.listed_servers (service_id, main_ip)
select * from unnest(cast(:service_ids as bigint[]), cast(:main_ips as text[]))
on conflict (service_id) do update set main_ip = excluded.main_ip

-- name: forget
delete from oltp.listed_servers where service_id = any(cast(:service_ids as bigint[]))

-- name: awaited
select host, server_name, since, until, is_finished from oltp.awaited_servers
where tenant_id = :tenant_id
order by host

-- name: all_awaited
select distinct server_name from oltp.awaited_servers where not is_finished

-- name: await_servers
-- One that is waited for already keeps its times.
insert into oltp.awaited_servers (tenant_id, host, server_name, since, until)
select :tenant_id, host, server_name, :since, :until
from unnest(cast(:hosts as text[]), cast(:server_names as text[])) as ordered (host, server_name)
on conflict (tenant_id, host) do update
set server_name = excluded.server_name, is_finished = false,
    since = case when awaited_servers.server_name = excluded.server_name
        then awaited_servers.since else excluded.since end,
    until = case when awaited_servers.server_name = excluded.server_name
        then awaited_servers.until else excluded.until end

-- name: await_no_others
delete from oltp.awaited_servers
where tenant_id = :tenant_id and host <> all(cast(:hosts as text[]))

-- name: finish
update oltp.awaited_servers set is_finished = true
where server_name = any(cast(:names as text[])) and not is_finished
returning tenant_id

-- name: claim_question
-- One in each pause, whichever process asks; about the server that was asked about longest ago.
with turn as (
    insert into oltp.sweeps (account, due_at)
    values ('spam at hostwinds', clock_timestamp() + cast(:pause as interval))
    on conflict (account) do update set due_at = excluded.due_at
    where sweeps.due_at <= clock_timestamp()
    returning account
)
update oltp.listed_servers set spam_asked_at = clock_timestamp()
where exists (select from turn) and service_id = (
    select service_id from oltp.listed_servers
    where main_ip is not null and spam_asked_at <= clock_timestamp() - cast(:period as interval)
    order by spam_asked_at
    limit 1
)
returning service_id

-- name: save_spam
update oltp.listed_servers set spam = cast(:spam as text[]) where service_id = :service_id

-- name: known_spam
select service_id, spam from oltp.listed_servers where spam is not null
