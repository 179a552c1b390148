-- Counts the days that are over. Running it again, also at the same time, changes nothing. What is held holds an
-- address at a provider, too, whether it is the address, the provider, or both together.
create or replace function policy.advance() returns void language plpgsql as $$
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
                    where (hold.kind, hold.subject) in (
                        (known.kind, known.subject), ('address', split_part(known.subject, '/', 1)),
                        ('provider', split_part(known.subject, '/', 2)))
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
    update policy.holds as hold set periods = (
        select range_agg(period) from unnest(hold.periods) as period where upper(period) >= now() - interval '30 days')
    where exists (select from unnest(hold.periods) as period where upper(period) < now() - interval '30 days');
end
$$;
