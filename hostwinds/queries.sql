-- name: take_slot
-- A time of writing in the future means that the clock was set back: the slot is ignored.
insert into purchase.limiter as known (provider, next_slot, taken_at, requests)
values (
    %(provider)s,
    clock_timestamp() + %(interval)s * interval '1 second',
    clock_timestamp(),
    1
)
on conflict (provider) do update
set next_slot = %(interval)s * interval '1 second' + case
        when known.taken_at > clock_timestamp() then clock_timestamp()
        else greatest(known.next_slot, clock_timestamp())
    end,
    taken_at = clock_timestamp(),
    requests = known.requests + 1,
    waited = known.waited + case
        when known.taken_at > clock_timestamp() then 0
        else greatest(extract(epoch from known.next_slot - clock_timestamp()) - %(burst)s, 0)
    end
where known.taken_at > clock_timestamp()
    or greatest(known.next_slot - clock_timestamp(), interval '0')
        <= %(ahead)s * interval '1 second'
returning extract(epoch from next_slot - clock_timestamp())

-- name: hold_slots
insert into purchase.limiter as known (provider, next_slot, taken_at)
values (
    %(provider)s, clock_timestamp() + %(ahead)s * interval '1 second', clock_timestamp()
)
on conflict (provider) do update
set next_slot = greatest(known.next_slot, excluded.next_slot),
    taken_at = excluded.taken_at,
    holds = known.holds + 1
returning 1
