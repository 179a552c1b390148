-- name: take_slot
-- A time of writing in the future means that the clock was set back: the slot is ignored.
update purchase.limiter
set next_slot = %(interval)s * interval '1 second' + case
        when taken_at > clock_timestamp() then clock_timestamp()
        else greatest(next_slot, clock_timestamp())
    end,
    taken_at = clock_timestamp()
where provider = %(provider)s
    and (
        taken_at > clock_timestamp()
        or greatest(next_slot - clock_timestamp(), interval '0')
            <= %(ahead)s * interval '1 second'
    )
returning extract(epoch from next_slot - clock_timestamp())
