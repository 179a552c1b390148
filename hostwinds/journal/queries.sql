-- name: has_schema
select to_regclass('purchase.limiter') is not null

-- name: lock_schema
select pg_advisory_xact_lock(%(lock)s)

-- name: create_schema
create schema if not exists purchase;
create table if not exists purchase.intents (
    key text primary key,
    opened_at timestamptz not null default clock_timestamp(),
    outcome text
);
create table if not exists purchase.fences (
    name text primary key,
    token bigint not null
);
create table if not exists purchase.limiter (
    single boolean primary key default true check (single),
    next_slot timestamptz not null default 'epoch',
    taken_at timestamptz not null default 'epoch'
);
insert into purchase.limiter default values on conflict do nothing;

-- name: create_rights
grant usage on schema purchase to {role};
grant select, insert, update, delete on purchase.intents, purchase.fences to {role};
grant select, update on purchase.limiter to {role};

-- name: open
insert into purchase.intents (key) values (%(key)s) on conflict do nothing returning 1

-- name: find
select key, opened_at, outcome from purchase.intents where key = %(key)s

-- name: list
select key, opened_at, outcome from purchase.intents
where outcome is null or not %(waiting)s
order by opened_at

-- name: settle
insert into purchase.intents (key, outcome) values (%(key)s, %(outcome)s)
on conflict (key) do update set outcome = excluded.outcome

-- name: close
delete from purchase.intents where key = %(key)s

-- name: lock_group
select key, outcome from purchase.intents
where starts_with(key, %(prefix)s)
order by key
for update

-- name: adopted
select outcome from purchase.intents
where starts_with(key, %(prefix)s) and outcome is not null

-- name: raise_fence
insert into purchase.fences (name, token) values (%(name)s, %(token)s)
on conflict (name) do update set token = greatest(fences.token, excluded.token)

-- name: fence
select token from purchase.fences where name = %(name)s
