-- part: operations
select id, tenant, kind, phase, generation, digest, process, host, progress, started_at,
    heartbeat_at, finished_at, outcome, error_code, error_message, remedy, cancelled_by,
    cancel_reason, peak_memory
from oltp.operations

-- name: start
insert into oltp.operations (
    id, tenant_id, tenant, kind, phase, generation, digest, process, host, started_at, heartbeat_at)
values (:id, :tenant_id, :tenant, :kind, :phase, :generation, :digest, :process, :host, :now, :now)

-- name: beat
update oltp.operations set heartbeat_at = :now
where tenant_id = :tenant_id and finished_at is null

-- name: finish
update oltp.operations
set finished_at = :now, heartbeat_at = :now, outcome = :outcome, error_code = :code,
    error_message = :message, remedy = :remedy, peak_memory = :peak_memory
where id = :id and finished_at is null

-- name: cancel
update oltp.operations set cancelled_by = :actor, cancel_reason = :reason
where tenant_id = :tenant_id and finished_at is null and cancelled_by is null

-- name: running
{operations}
where tenant_id = :tenant_id and finished_at is null
order by id

-- name: cancellation
select cancelled_by as actor, cancel_reason as reason from oltp.operations
where id = :id and cancelled_by is not null

-- name: record_state
update oltp.operations set state = :state
where tenant_id = :tenant_id and phase = :phase and finished_at is null

-- name: unfinished
select id from oltp.operations where tenant_id = :tenant_id and finished_at is null

-- name: abort_unfinished
update oltp.operations
set finished_at = :now, outcome = 'aborted', error_code = :code, error_message = :message,
    remedy = :remedy
where tenant_id = :tenant_id and finished_at is null
returning id

-- name: add_lines
insert into oltp.operation_lines (operation_id, tenant_id, at, line)
values (:id, :tenant_id, :at, :line)

-- name: set_progress
update oltp.operations set progress = :line, heartbeat_at = :at where id = :id

-- name: find
{operations}
where id = :id

-- name: page
{operations}
where id < :before and (cast(:tenant_id as uuid) is null or tenant_id = :tenant_id)
order by id desc
limit :limit

-- name: find_last
select outcome, operation.digest, state, known.cloud
from oltp.operations as operation
    left join oltp.digests as known using (tenant_id, digest)
where tenant_id = :tenant_id and phase = :phase
order by id desc
limit 1

-- name: last_end
select finished_at from oltp.operations
where tenant_id = :tenant_id and phase = :phase and finished_at is not null
order by id desc
limit 1

-- name: last_written
-- The end of the newest operation of a kind, or of the first one that applied a blueprint: later
-- ones of the same blueprint have left what was there.
select max(finished_at)
from (
    (
        select finished_at from oltp.operations
        where tenant_id = :tenant_id and phase = :phase and kind = :kind
            and finished_at is not null
        order by id desc
        limit 1
    )
    union all
    (
        select finished_at from oltp.operations
        where tenant_id = :tenant_id and phase = :phase and digest = :digest
            and outcome = 'succeeded'
        order by id
        limit 1
    )
) as written

-- name: lines_after
select number, at, line from oltp.operation_lines
where operation_id = :id and number > :cursor
order by number
limit :limit
