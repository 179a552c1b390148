-- name: take_slot
-- A time of writing that is still to come is from a clock that was set back.
update purchase.limiter
set next_slot = %(interval)s * interval '1 second' + case
        when taken_at > clock_timestamp() then clock_timestamp()
        else greatest(next_slot, clock_timestamp())
    end,
    taken_at = clock_timestamp()
returning extract(epoch from next_slot - clock_timestamp())
