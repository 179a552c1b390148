create schema policy;

-- Hand-overs of one UTC day, accepted or with an unknown outcome.
create table policy.counters (
    kind text not null check (kind in ('address', 'domain', 'mailbox', 'provider')),
    subject text not null,
    day date not null,
    used integer not null default 0 check (used >= 0),
    hour smallint not null default 0 check (hour between 0 and 23),
    used_in_hour integer not null default 0 check (used_in_hour >= 0),
    curve integer not null default 0,
    primary key (kind, subject, day)
) with (fillfactor = 50);
comment on table policy.counters is 'the subject is an IP address, a From domain, a mailbox, or IP/provider';
comment on column policy.counters.hour is 'the last one of the day in which something was handed over';
comment on column policy.counters.curve is 'what the warm-up allowed on this day: the day is good by it';

-- A subject without a row is on its first day.
create table policy.warmup (
    kind text not null check (kind in ('address', 'domain', 'mailbox', 'provider')),
    subject text not null,
    day integer not null default 1 check (day between 1 and 1000),
    started date not null,
    good_days integer not null default 0,
    steps_back integer not null default 0,
    counted_to date not null,
    stepped_back_on date,
    last_used date not null,
    set_by text,
    set_reason text,
    set_at timestamptz,
    primary key (kind, subject)
);
comment on column policy.warmup.day is 'of the curve; grows by one for each good day';
comment on column policy.warmup.counted_to is 'the first day that is not counted yet';
comment on column policy.warmup.last_used is 'a subject that was idle for 30 days starts again';
create index warmup_set on policy.warmup (set_at) where set_at is not null;
comment on column policy.warmup.set_by is 'prefix of the API key of the operator who set the day last';

create table policy.holds (
    kind text not null check (kind in ('address', 'domain', 'mailbox', 'provider', 'tenant')),
    subject text not null,
    periods tstzmultirange not null,
    reason text not null,
    words text not null,
    actor text,
    primary key (kind, subject)
);
comment on column policy.holds.subject is 'as in policy.counters; also a provider alone, or the id of a tenant';
comment on column policy.holds.periods is 'when it was held, and is until; holds that overlap are one';
comment on column policy.holds.reason is 'with words and actor: of the hold that ends last';
comment on column policy.holds.actor is 'prefix of an API key; null: the sender';

-- The address that mail of a From domain to a provider leaves from.
create table policy.homes (
    tenant_id uuid not null,
    domain text not null,
    provider text not null,
    address text not null,
    since timestamptz not null default now(),
    primary key (tenant_id, domain, provider)
);

-- Which provider receives the mail of a domain, by its MX records.
create table policy.recipient_domains (
    domain text primary key check (domain = lower(domain)),
    provider text,
    reason text,
    looked_at timestamptz,
    look_at timestamptz not null default now(),
    failures integer not null default 0
);
comment on column policy.recipient_domains.provider is 'a group of sender/policy/providers.py; null: not resolved yet';
comment on column policy.recipient_domains.reason is 'why the last look-up brought no answer';
create index recipient_domains_due on policy.recipient_domains (look_at);
create index recipient_domains_looked_at on policy.recipient_domains (looked_at);

-- Gives places back, then reserves others. All rows are locked in one order, whatever the callers ask for: call
-- it once in a transaction. Place i says that the mail `mails[i]` counts against the cap `caps[i]` (from 1), and
-- `wanted` is how many do against each; the places of a mail stand together, and it gets all of them or none. Returns the mails without a place, with the cap
-- that is used up (`is_stale`: the day of the caps is over), and for each cap of today what is used by then.
create function policy.reserve(
    kinds text[], subjects text[], days date[], most integer[], most_in_hour integer[], curves integer[],
    wanted integer[], mails integer[], caps integer[],
    back_kinds text[], back_subjects text[], back_days date[], back_hours smallint[], back_counts integer[]
) returns table (mail integer, cap integer, is_stale boolean, used integer, used_in_hour integer) language plpgsql as $$
#variable_conflict use_column
declare
    today constant date := (now() at time zone 'UTC')::date;
    this_hour constant smallint := extract(hour from now() at time zone 'UTC');
    places constant integer := cardinality(mails);
    free integer[];
    is_room_for_all boolean;
    taken integer[];
    lacking integer;
    first integer := 1;
begin
    insert into policy.counters (kind, subject, day)
    select distinct cap.kind, cap.subject, cap.day
    from unnest(kinds, subjects, days) as cap (kind, subject, day)
    where cap.day = today
    order by 1, 2
    on conflict do nothing;

    perform from policy.counters as counter
    where (counter.kind, counter.subject, counter.day) in (
        select * from unnest(kinds, subjects, days)
        union
        select * from unnest(back_kinds, back_subjects, back_days))
    order by counter.kind, counter.subject, counter.day
    for update;

    if cardinality(back_kinds) > 0 then
        update policy.counters as counter
        set used = greatest(counter.used - back.places, 0),
            used_in_hour = greatest(counter.used_in_hour - back.places_in_hour, 0)
        from (
            select back.kind, back.subject, back.day, sum(back.places) as places,
                coalesce(sum(back.places) filter (where back.hour = known.hour), 0) as places_in_hour
            from unnest(back_kinds, back_subjects, back_days, back_hours, back_counts)
                as back (kind, subject, day, hour, places)
            join policy.counters as known using (kind, subject, day)
            group by back.kind, back.subject, back.day) as back
        where (counter.kind, counter.subject, counter.day) = (back.kind, back.subject, back.day);
    end if;

    select array_agg(cap.free order by cap.number), coalesce(bool_and(cap.free >= cap.wanted), true)
    into free, is_room_for_all
    from (
        select number, wanted, case when cap.day = today then greatest(0, least(
                cap.most - counter.used,
                cap.most_in_hour - case counter.hour when this_hour then counter.used_in_hour else 0 end))
            else -1 end as free
        from unnest(kinds, subjects, days, most, most_in_hour, wanted)
            with ordinality as cap (kind, subject, day, most, most_in_hour, wanted, number)
        left join policy.counters as counter using (kind, subject, day)) as cap;

    taken := wanted;
    if not is_room_for_all then
        taken := array_fill(0, array[cardinality(kinds)]);
        for place in 1 .. places loop
            if free[caps[place]] <= 0 then
                lacking := coalesce(lacking, caps[place]);
            end if;
            if place = places or mails[place] <> mails[place + 1] then
                if lacking is null then
                    for own in first .. place loop
                        free[caps[own]] := free[caps[own]] - 1;
                        taken[caps[own]] := taken[caps[own]] + 1;
                    end loop;
                else
                    return query select mails[place], lacking, free[lacking] < 0, null::integer, null::integer;
                end if;
                first := place + 1;
                lacking := null;
            end if;
        end loop;
    end if;

    return query
    update policy.counters as counter
    set used = counter.used + cap.places,
        used_in_hour = case counter.hour when this_hour then counter.used_in_hour else 0 end + cap.places,
        hour = this_hour,
        curve = greatest(counter.curve, cap.curve)
    from unnest(kinds, subjects, days, curves, taken) with ordinality as cap (kind, subject, day, curve, places, number)
    where (counter.kind, counter.subject, counter.day) = (cap.kind, cap.subject, cap.day) and cap.day = today
    returning null::integer, cap.number::integer, false, counter.used, counter.used_in_hour;
end
$$;

-- Counts the days that are over. Running it again, also at the same time, changes nothing.
create function policy.advance() returns void language plpgsql as $$
declare
    today constant date := (now() at time zone 'UTC')::date;
begin
    lock table policy.warmup in share row exclusive mode;

    insert into policy.warmup (kind, subject, started, counted_to, last_used)
    select kind, subject, min(day), min(day), min(day)
    from policy.counters where used > 0 and day >= today - 30
    group by kind, subject
    on conflict do nothing;

    update policy.warmup as subject
    set day = greatest(1, least(1000, base + good - back)),
        started = case when is_new then first_used else started end,
        good_days = case when is_new then 0 else good_days end + good,
        steps_back = case when is_new then 0 else steps_back end + back,
        stepped_back_on = case when back > 0 then today else stepped_back_on end,
        last_used = coalesce(latest, last_used),
        counted_to = today
    from (
        select known.kind, known.subject, used.*, held.back,
            coalesce(used.first_used > known.last_used + 30, false) as is_new,
            case when used.first_used > known.last_used + 30 then 1 else known.day end as base
        from policy.warmup as known
        cross join lateral (
            select count(*) filter (where counter.used >= 0.7 * counter.curve and not exists (
                    select from policy.holds as hold
                    where hold.kind = known.kind and hold.subject = known.subject
                      and hold.periods && tstzrange(
                          counter.day::timestamp at time zone 'UTC', (counter.day + 1)::timestamp at time zone 'UTC')
                ))::integer as good,
                min(counter.day) as first_used, max(counter.day) as latest
            from policy.counters as counter
            where counter.kind = known.kind and counter.subject = known.subject
              and counter.day >= known.counted_to and counter.day < today and counter.used > 0) as used
        cross join lateral (
            select (count(*) >= 2)::integer as back
            from policy.holds as hold cross join unnest(hold.periods) as period
            where hold.kind = known.kind and hold.subject = known.subject
              and lower(period) >= greatest(today - 7, known.stepped_back_on)::timestamp at time zone 'UTC'
              and lower(period) < today::timestamp at time zone 'UTC') as held
        where known.counted_to < today) as counted
    where subject.kind = counted.kind and subject.subject = counted.subject;

    delete from policy.warmup where last_used < today - 30;
    delete from policy.counters where day < today - 30;
    delete from policy.holds where upper(periods) < now() - interval '30 days';
    update policy.holds set periods = periods * tstzmultirange(tstzrange(now() - interval '30 days', null))
    where lower(periods) < now() - interval '40 days';
end
$$;

-- The providers of domains, null where one is not resolved yet; unknown ones are entered. The API's role may look
-- up the domains of its own messages, and cannot read which others there are.
create function policy.providers_of(domains text[]) returns table (domain text, provider text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    insert into policy.recipient_domains (domain)
    select distinct lower(wanted) from unnest(domains) as wanted
    where not exists (select from policy.recipient_domains as known where known.domain = lower(wanted))
    order by 1
    on conflict do nothing;
    return query
    select known.domain, known.provider from policy.recipient_domains as known
    where known.domain in (select lower(wanted) from unnest(domains) as wanted);
end
$$;

-- Who sees what: the API its tenant's homes.
alter table policy.homes enable row level security;
alter table policy.homes force row level security;
create policy owner on policy.homes to current_user using (true) with check (true);
create policy sender on policy.homes to {sender} using (true) with check (true);
create policy operator on policy.homes for select to {operator} using (true);
create policy controller on policy.homes for select to {controller} using (true);
create policy api on policy.homes for select to {api}
    using (tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid);

-- What has been warming up goes on where it was: so many days as its calendar says. An owner who is no superuser
-- is subject to the row policies that are forced.
create temporary table providers on commit drop as
select unnest(array[
    'google', 'microsoft', 'yahoo', 'apple', 'proofpoint', 'mimecast', 'barracuda', 'cisco', 'symantec', 'trendmicro',
    'sophos', 'hornetsecurity', 'fortinet', 'cloudflare', 'zoho', 'proton', 'fastmail', 'united-internet', 'telekom',
    'orange', 'ovh', 'godaddy', 'rackspace', 'yandex', 'mailru', 'other']) as provider;
alter table directory.entries no force row level security;
insert into policy.warmup (kind, subject, day, started, counted_to, last_used)
select kind, subject, greatest(1, least(1000, today - min(started) + 1)), min(started), today, today
from (
    select entry.document, (now() at time zone 'UTC')::date as today,
        (entry.document ->> 'warmup_started')::date as began
    from directory.entries as entry) as entry
cross join lateral (
    select 'address' as kind, address ->> 'ip' as subject,
        greatest((address ->> 'warmup_started')::date, began) as started
    from jsonb_array_elements(document -> 'addresses') as address
    union all
    select 'provider', (address ->> 'ip') || '/' || provider,
        greatest((address ->> 'warmup_started')::date, began)
    from jsonb_array_elements(document -> 'addresses') as address, providers
    union all
    select 'domain', domain ->> 'name', began from jsonb_array_elements(document -> 'domains') as domain
    union all
    select 'mailbox', lower(mailbox ->> 'address'), began
    from jsonb_array_elements(document -> 'mailboxes') as mailbox) as known
group by kind, subject, today;
alter table directory.entries force row level security;

insert into policy.counters (kind, subject, day, used)
select kind, split_part(subject, '/', case kind when 'mailbox' then 2 else 1 end), day, handed_over
from mail.usage where day = (now() at time zone 'UTC')::date;
drop table mail.usage;

-- A home was that of a From domain with all providers.
alter table directory.homes no force row level security;
insert into policy.homes (tenant_id, domain, provider, address, since)
select tenant_id, domain, provider, address, since from directory.homes, providers;
drop table directory.homes;

create or replace function mail.maintain(records integer, events integer) returns void
language plpgsql security definer set search_path = pg_catalog set lock_timeout = '2s' as $$
declare
    part regclass;
begin
    perform mail.make_partitions(3);
    foreach part in array queue.closed_partitions('mail.messages', records) loop
        if to_regclass(format('queue.records_%s', right(part::text, 8))) is null then
            execute format('drop table %s', part);
        end if;
    end loop;
    foreach part in array queue.closed_partitions('mail.events', events) loop
        execute format('drop table %s', part);
    end loop;
end
$$;

grant usage on schema policy to {api}, {operator}, {controller}, {sender};
revoke execute on all functions in schema policy from public;
grant execute on function policy.providers_of to {api}, {operator}, {sender};
grant execute on function policy.reserve, policy.advance to {sender};
grant select, insert, update, delete on all tables in schema policy to {sender};
grant select on policy.homes to {api};
grant select on all tables in schema policy to {operator}, {controller};
grant insert, update on policy.warmup, policy.holds to {operator};
