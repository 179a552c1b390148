-- Bodies of up to a page stay in their rows: to read one there takes less than half of the time.
alter table queue.bodies alter column body set storage main;

-- `policy.reserve` as before, but each row is found by its key as it is locked: joins of all that a batch locks with all
-- that it wants took as long as the square of their number. The order of the locks is that of octets.
create or replace function policy.reserve(
    kinds text[], subjects text[], days date[], most integer[], most_in_hour integer[], curves integer[],
    wanted integer[], mails integer[], caps integer[],
    back_kinds text[], back_subjects text[], back_days date[], back_hours smallint[], back_counts integer[]
) returns table (mail integer, cap integer, is_stale boolean, used integer, used_in_hour integer) language plpgsql as $$
#variable_conflict use_column
declare
    today constant date := (now() at time zone 'UTC')::date;
    this_hour constant smallint := extract(hour from now() at time zone 'UTC');
    places constant integer := cardinality(mails);
    present integer;
    locations tid[];
    free integer[];
    is_room_for_all boolean;
    taken integer[];
    lacking integer;
    first integer := 1;
begin
    select count(*) into present
    from unnest(kinds, subjects, days) as cap (kind, subject, day) join policy.counters using (kind, subject, day);
    if present < cardinality(kinds) then
        insert into policy.counters (kind, subject, day)
        select distinct cap.kind, cap.subject, cap.day
        from unnest(kinds, subjects, days) as cap (kind, subject, day)
        where cap.day = today
        order by 1, 2
        on conflict do nothing;
    end if;

    if cardinality(back_kinds) > 0 then
        perform from policy.counters as counter
        where (counter.kind, counter.subject, counter.day) in (
            select * from unnest(kinds, subjects, days)
            union
            select * from unnest(back_kinds, back_subjects, back_days))
        order by counter.kind collate "C", counter.subject collate "C", counter.day
        for update;

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

    -- Locked in this order. What a lock returns is the row as it is then, whatever others have changed since the
    -- statement began.
    select array_agg(location order by number), array_agg(cap.free order by number),
        coalesce(bool_and(cap.free >= cap.wanted), true)
    into locations, free, is_room_for_all
    from (
        select number, location, wanted, case when cap.day = today then greatest(0, least(
                cap.most - counter.used,
                cap.most_in_hour - case counter.hour when this_hour then counter.used_in_hour else 0 end))
            else -1 end as free
        from (
            select * from unnest(kinds, subjects, days, most, most_in_hour, wanted)
                with ordinality as cap (kind, subject, day, most, most_in_hour, wanted, number)
            order by kind collate "C", subject collate "C", day) as cap
        left join lateral (
            select counter.ctid as location, used, hour, used_in_hour from policy.counters as counter
            where (counter.kind, counter.subject, counter.day) = (cap.kind, cap.subject, cap.day)
            for update) as counter on true) as cap;

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
    from unnest(locations, days, curves, taken) with ordinality as cap (location, day, curve, places, number)
    where counter.ctid = cap.location and cap.day = today
    returning null::integer, cap.number::integer, false, counter.used, counter.used_in_hour;
end
$$;
