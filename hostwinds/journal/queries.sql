-- name: has_schema
-- The newest parts of it; those of freezes and limits may have been made by the control plane.
select to_regclass('purchase.freezes') is not null
    and to_regclass('purchase.limits') is not null
    and to_regprocedure('purchase.is_bound()') is not null
    and exists (
        select from pg_attribute
        where attrelid = to_regclass('purchase.limiter') and attname = 'holds'
    )
    and exists (
        select from pg_attribute
        where attrelid = to_regclass('purchase.journal') and attname = 'unbound'
    )
    and exists (
        select from pg_attribute
        where attrelid = to_regclass('purchase.intents') and attname = 'ending_at'
    )

-- name: lock_schema
select pg_advisory_xact_lock(%(lock)s)

-- name: create_schema
create schema if not exists purchase;
create table if not exists purchase.intents (
    key text primary key,
    opened_at timestamptz not null default clock_timestamp(),
    outcome text
);
alter table purchase.intents
    add column if not exists ordered boolean not null default true,
    add column if not exists agreed_cents integer,
    add column if not exists ceiling_cents integer,
    add column if not exists account text not null default '',
    add column if not exists answer text not null default '',
    add column if not exists closed_at timestamptz,
    add column if not exists owner text not null default '',
    add column if not exists ending_at timestamptz;
comment on column purchase.intents.ending_at is 'when the provider has accepted the server''s end';
alter table purchase.intents drop constraint if exists intents_pkey;
create unique index if not exists intents_open on purchase.intents (key) where closed_at is null;
create table if not exists purchase.journal (
    single boolean primary key default true check (single),
    id uuid not null default gen_random_uuid()
);
alter table purchase.journal
    add column if not exists system bigint,
    add column if not exists timeline bigint,
    add column if not exists database bigint,
    add column if not exists bound_at timestamptz,
    add column if not exists unbound text;
comment on column purchase.journal.unbound is 'why it is not bound, although it is where it was';
create table if not exists purchase.left_servers (
    service_id bigint primary key,
    since timestamptz not null default clock_timestamp()
);
comment on table purchase.left_servers is 'of our mark and in no row, as a recovery has found them';
comment on column purchase.journal.system is 'of the database that it is bound to, with the next two';
create or replace function purchase.current_identity(
    out system bigint, out timeline bigint, out database bigint
) language sql stable as $$
    select system_identifier,
        ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint,
        (select oid::bigint from pg_database where datname = current_database())
    from pg_control_system()
$$;
-- Who must not read the journal may ask.
create or replace function purchase.is_bound() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select not exists (
        select from purchase.journal as bound, purchase.current_identity() as here
        where bound.unbound is not null
            or (bound.system, bound.timeline, bound.database)
                <> (here.system, here.timeline, here.database))
$$;
create table if not exists purchase.fences (
    name text primary key,
    token bigint not null
);
create table if not exists purchase.freezes (
    what text primary key check (what in ('purchases', 'destruction')),
    reason text not null,
    actor text not null,
    since timestamptz not null default clock_timestamp()
);
create table if not exists purchase.limits (
    scope text primary key,
    monthly_cents integer check (monthly_cents >= 0),
    orders_a_day integer check (orders_a_day >= 0),
    reason text not null,
    actor text not null,
    since timestamptz not null default clock_timestamp()
);
create table if not exists purchase.limiter (
    single boolean primary key default true check (single),
    next_slot timestamptz not null default 'epoch',
    taken_at timestamptz not null default 'epoch'
);
alter table purchase.limiter
    add column if not exists provider text not null default 'hostwinds',
    add column if not exists requests bigint not null default 0,
    add column if not exists waited double precision not null default 0,
    add column if not exists holds bigint not null default 0,
    drop constraint if exists limiter_pkey;
comment on column purchase.limiter.waited is 'seconds that requests have waited for their slots';
comment on column purchase.limiter.holds is 'how often the provider has refused further requests';
create unique index if not exists limiter_provider on purchase.limiter (provider);
create or replace function purchase.rates(
    out provider text, out requests bigint, out waited double precision, out refusals bigint
) returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select provider, requests, waited, holds from purchase.limiter order by provider
$$;

-- name: create_rights
grant usage on schema purchase to {role};
grant select, insert, update on purchase.intents, purchase.fences to {role};
grant select, insert, update on purchase.journal to {role};
revoke delete on purchase.intents, purchase.fences from {role};
grant select, insert, update on purchase.limiter to {role};
grant select, insert on purchase.left_servers to {role};
revoke insert, update, delete on purchase.freezes, purchase.limits from {role};
grant select on purchase.freezes, purchase.limits to {role};

-- name: be_durable
-- An intent is on the disk before its order, whatever the default of the server is.
set local synchronous_commit = on

-- name: identity
insert into purchase.journal default values
on conflict (single) do update set single = true
returning id::text

-- name: bind
-- To the database as it is now.
insert into purchase.journal (system, timeline, database, bound_at)
select system, timeline, database, clock_timestamp() from purchase.current_identity()
on conflict (single) do update
set system = excluded.system, timeline = excluded.timeline, database = excluded.database,
    bound_at = excluded.bound_at, unbound = null

-- name: unbind
-- The first reason is kept.
insert into purchase.journal (unbound) values (%(why)s)
on conflict (single) do update set unbound = coalesce(journal.unbound, excluded.unbound)

-- name: leave
insert into purchase.left_servers (service_id)
select * from unnest(%(service_ids)s::bigint[])
on conflict do nothing

-- name: left
select service_id from purchase.left_servers

-- name: bound_at
select bound_at from purchase.journal

-- name: bind_first
-- A new journal, or one of an earlier version, was never elsewhere.
insert into purchase.journal (system, timeline, database)
select system, timeline, database from purchase.current_identity()
where not exists (select from purchase.journal where system is not null)
on conflict (single) do update
set system = excluded.system, timeline = excluded.timeline, database = excluded.database
where journal.system is null

-- name: is_bound
select purchase.is_bound()

-- name: replace
insert into purchase.journal (id) values (%(identity)s)
on conflict (single) do update set id = excluded.id

-- name: agree
insert into purchase.intents (key, ordered, agreed_cents, owner)
values (%(key)s, false, %(cents)s, %(owner)s)
on conflict (key) where closed_at is null do update
set agreed_cents = case when intents.ordered then intents.agreed_cents
        else greatest(intents.agreed_cents, excluded.agreed_cents) end,
    owner = coalesce(nullif(intents.owner, ''), excluded.owner)
where not intents.ordered or intents.owner = ''

-- name: lock_orders
select pg_advisory_xact_lock(%(lock)s)

-- name: limits
select scope, monthly_cents, orders_a_day from purchase.limits

-- name: now
select clock_timestamp()

-- name: open
insert into purchase.intents (key, ceiling_cents) values (%(key)s, %(ceiling)s)
on conflict (key) where closed_at is null do update
set ordered = true, opened_at = clock_timestamp(), ceiling_cents = excluded.ceiling_cents
where not intents.ordered
returning 1

-- name: find
select
    key, opened_at, outcome, ordered, agreed_cents, ceiling_cents, account, answer, closed_at,
    owner, ending_at
from purchase.intents
where key = %(key)s and closed_at is null

-- name: list
select
    key, opened_at, outcome, ordered, agreed_cents, ceiling_cents, account, answer, closed_at,
    owner, ending_at
from purchase.intents
order by opened_at, key

-- name: answer
update purchase.intents set answer = %(text)s where key = %(key)s and closed_at is null

-- name: settle
insert into purchase.intents (key, outcome, account) values (%(key)s, %(outcome)s, %(account)s)
on conflict (key) where closed_at is null do update
set outcome = excluded.outcome,
    ordered = true,
    account = coalesce(nullif(excluded.account, ''), intents.account)

-- name: begin_end
update purchase.intents set ending_at = coalesce(ending_at, clock_timestamp())
where key = %(key)s and closed_at is null

-- name: close
update purchase.intents set closed_at = clock_timestamp()
where key = %(key)s and closed_at is null

-- name: lock_group
select key, outcome from purchase.intents
where starts_with(key, %(prefix)s) and closed_at is null
order by key
for update

-- name: outcomes
select outcome from purchase.intents where outcome is not null and closed_at is null

-- name: adopted
select outcome from purchase.intents
where starts_with(key, %(prefix)s) and outcome is not null and closed_at is null

-- name: allow_waiting
select set_config('idle_in_transaction_session_timeout', %(idle)s, true),
    set_config('statement_timeout', %(wait)s, true)

-- name: frozen
select reason, actor, since from purchase.freezes where what = %(what)s

-- name: lock_fence
select pg_advisory_xact_lock(%(lock)s, hashtext(%(name)s))

-- name: share_fence
select pg_advisory_xact_lock_shared(%(lock)s, hashtext(%(name)s))

-- name: is_held
select 1

-- name: raise_fence
insert into purchase.fences (name, token) values (%(name)s, %(token)s)
on conflict (name) do update set token = greatest(fences.token, excluded.token)
returning token

-- name: fence
select token from purchase.fences where name = %(name)s
