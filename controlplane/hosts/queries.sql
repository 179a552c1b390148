-- name: load
select name, incarnation, service_id, host_key, applied_digest, mail, refused_digest, moves_mail
from oltp.hosts
where tenant_id = :tenant_id
order by name

-- name: servers
select service_id, tenant_id from oltp.hosts where service_id is not null

-- name: save
insert into oltp.hosts
    (tenant_id, name, incarnation, service_id, host_key, applied_digest, mail, refused_digest,
     moves_mail)
values
    (:tenant_id, :name, :incarnation, :service_id, :host_key, :applied_digest, :mail,
     :refused_digest, :moves_mail)
on conflict (tenant_id, name) do update
set incarnation = excluded.incarnation, service_id = excluded.service_id,
    host_key = excluded.host_key, applied_digest = excluded.applied_digest,
    mail = excluded.mail, refused_digest = excluded.refused_digest,
    moves_mail = excluded.moves_mail

-- name: load_identities
select host, digest, configured, at, findings, trouble, stopped from oltp.identities
where tenant_id = :tenant_id
order by host

-- name: save_identity
insert into oltp.identities
    (tenant_id, host, digest, configured, at, findings, trouble, stopped)
values
    (:tenant_id, :host, :digest, :configured, :at, :findings, :trouble, :stopped)
on conflict (tenant_id, host) do update
set digest = excluded.digest, configured = excluded.configured, at = excluded.at,
    findings = excluded.findings, trouble = excluded.trouble

-- name: make_identity_due
update oltp.identities set at = 'epoch' where tenant_id = :tenant_id and host = :host

-- name: save_stopped
update oltp.identities set stopped = :stopped where tenant_id = :tenant_id and host = :host

-- name: load_purges
select name from oltp.purges where tenant_id = :tenant_id and host = :host

-- name: add_purge
insert into oltp.purges (tenant_id, host, name) values (:tenant_id, :host, :name)
on conflict do nothing

-- name: load_unpurged_hosts
select distinct host from oltp.purges where tenant_id = :tenant_id order by host

-- name: remove_purges
delete from oltp.purges
where tenant_id = :tenant_id and host = :host and name = any(cast(:names as text[]))

-- name: load_held_mail
select host, address, size, is_ours, confirmed, discards from oltp.held_mail
where tenant_id = :tenant_id order by host, address

-- name: expect_mail
insert into oltp.held_mail (tenant_id, host, address, size, is_ours)
values (:tenant_id, :host, :address, 0, true)
on conflict do nothing

-- name: save_held_mail
insert into oltp.held_mail (tenant_id, host, address, size, is_ours)
values (:tenant_id, :host, :address, :size, :is_ours)
on conflict (tenant_id, host, address) do update
set size = excluded.size, is_ours = excluded.is_ours

-- name: drop_held_mail
delete from oltp.held_mail
where tenant_id = :tenant_id and host = :host and address <> all(cast(:addresses as text[]))

-- name: confirm_mail
update oltp.held_mail
set confirmed = host || '/' || address = any(cast(:names as text[])),
    discards = case when host || '/' || address = any(cast(:names as text[]))
        then coalesce(cast(:discards as bigint), discards) end
where tenant_id = :tenant_id

-- name: drop_mail_of_others
delete from oltp.held_mail
where tenant_id = :tenant_id and host <> all(cast(:hosts as text[]))

-- name: drop_identities
delete from oltp.identities
where tenant_id = :tenant_id and host <> all(cast(:hosts as text[]))

-- name: drop_purges
delete from oltp.purges where tenant_id = :tenant_id and host <> all(cast(:hosts as text[]))

-- name: load_closed
select address from oltp.closed_mailboxes where tenant_id = :tenant_id and host = :host

-- name: add_closed
insert into oltp.closed_mailboxes (tenant_id, host, address) values (:tenant_id, :host, :address)
on conflict do nothing

-- name: remove_closed
delete from oltp.closed_mailboxes
where tenant_id = :tenant_id and host = :host and address = :address

-- name: drop_closed
delete from oltp.closed_mailboxes
where tenant_id = :tenant_id and host <> all(cast(:hosts as text[]))

-- part: round_trips
select domain, host, configured, at, is_right, noted, unsuccessful, wrong, wrong_since
from oltp.round_trips
where tenant_id = :tenant_id

-- name: load_round_trips
{round_trips} order by domain

-- name: find_round_trip
{round_trips} and domain = :domain

-- name: save_round_trip
insert into oltp.round_trips
    (tenant_id, domain, host, configured, at, is_right, noted, unsuccessful, wrong, wrong_since)
values
    (:tenant_id, :domain, :host, :configured, :at, :is_right, :noted, :unsuccessful, :wrong,
     :wrong_since)
on conflict (tenant_id, domain) do update
set host = excluded.host, configured = excluded.configured, at = excluded.at,
    is_right = excluded.is_right, noted = excluded.noted, unsuccessful = excluded.unsuccessful,
    wrong = excluded.wrong, wrong_since = excluded.wrong_since

-- name: keep_round_trips
delete from oltp.round_trips
where tenant_id = :tenant_id and domain <> all(cast(:domains as text[]))
