-- name: drop_of_others
delete from oltp.certificates where name = :name and tenant_id <> :tenant_id

-- name: want
insert into oltp.certificates (name, tenant_id, challenge) values (:name, :tenant_id, :challenge)
on conflict (name) do update set challenge = excluded.challenge
where oltp.certificates.challenge <> excluded.challenge

-- name: current
select name, chain as chain_pem, sealed_key, not_after from oltp.certificates
where name = any(:names)
    and not_after > coalesce(cast(:now as timestamptz), clock_timestamp())

-- name: load
select name, challenge, chain, sealed_key, not_before, not_after, renew_at, directory, order_url,
    order_key, answering, failures, limited, next_attempt_at, reason, trouble
from oltp.certificates where tenant_id = :tenant_id order by name

-- name: save_order
update oltp.certificates
set directory = :directory, order_url = :order_url, order_key = :order_key
where name = :name

-- name: set_answering
update oltp.certificates set answering = :answering where name = :name

-- name: issue
update oltp.certificates
set chain = :chain, sealed_key = order_key, not_before = :not_before, not_after = :not_after,
    renew_at = :renew_at, directory = null, order_url = null, order_key = null, failures = 0,
    limited = '{}', next_attempt_at = null, reason = '', trouble = ''
where name = :name

-- name: drop_order
update oltp.certificates set directory = null, order_url = null, order_key = null
where name = :name

-- name: fail
update oltp.certificates
set failures = failures + 1, limited = :limited, next_attempt_at = :next_attempt_at,
    reason = :reason, trouble = :trouble
where name = :name

-- name: forget
delete from oltp.certificates where name = :name

-- name: lock_registered
select pg_advisory_xact_lock(:lock, hashtext(:registered))

-- name: order_before
-- The order that is `skipped` orders back from the newest.
select at from oltp.acme_orders
where directory = :directory and registered = :registered and not is_renewal and at > :since
order by at desc offset :skipped limit 1

-- name: count_order
insert into oltp.acme_orders (directory, registered, name, is_renewal, at)
values (:directory, :registered, :name, :is_renewal, :now)

-- name: uncount_order
delete from oltp.acme_orders where number = (
    select max(number) from oltp.acme_orders where name = :name)

-- name: forget_orders
delete from oltp.acme_orders where at < :before

-- name: save_answer
insert into oltp.acme_challenges (token, name, key_authorization, expires_at)
values (:token, :name, :key_authorization, :expires_at)
on conflict (token) do update
set key_authorization = excluded.key_authorization, expires_at = excluded.expires_at

-- name: forget_answers
delete from oltp.acme_challenges where name = :name

-- name: answer
select key_authorization from oltp.acme_challenges where token = :token and expires_at > now()

-- name: account
select sealed_key, url from oltp.acme_accounts where directory = :directory

-- name: make_account
insert into oltp.acme_accounts (directory, sealed_key) values (:directory, :sealed_key)
on conflict (directory) do nothing

-- name: register_account
update oltp.acme_accounts set url = :url where directory = :directory

-- name: forget_account
update oltp.acme_accounts set url = null where directory = :directory
