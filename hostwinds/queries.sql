-- name: take_slot
-- A time of writing in the future means that the clock was set back: the slot is ignored.
insert into purchase.limiter as known (provider, next_slot, taken_at)
values (
    %(provider)s,
    clock_timestamp() + %(interval)s * interval '1 second',
    clock_timestamp()
)
on conflict (provider) do update
set next_slot = %(interval)s * interval '1 second' + case
        when known.taken_at > clock_timestamp() then clock_timestamp()
        else greatest(known.next_slot, clock_timestamp())
    end,
    taken_at = clock_timestamp()
where known.taken_at > clock_timestamp()
    or greatest(known.next_slot - clock_timestamp(), interval '0')
        <= %(ahead)s * interval '1 second'
returning extract(epoch from next_slot - clock_timestamp())
