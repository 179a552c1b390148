-- The queue's functions. Applied after schema.sql and partitions.sql.
select queue.make_partitions(3);

create function queue.waits(job uuid) returns boolean language sql stable as $$
    select exists (select from queue.records where id = job and state in ('queued', 'retry', 'unknown'))
$$;
comment on function queue.waits is 'whether body and record of a job are still needed';

-- Takes jobs out that wait in nobody's hands: `is_due` says whether from `ready` or from `scheduled`. A
-- record says where its job is; ageing moves only between these priorities.
create function queue.take_waiting(job_ids uuid[]) returns table (
    id uuid, bucket_id bigint, priority smallint, due_at timestamptz, tenant_id uuid, expires_at timestamptz,
    attempts smallint, losses smallint, is_due boolean
) language sql set enable_hashjoin = off set enable_mergejoin = off as $$
with ready as (
    delete from queue.ready where ctid = any(array(
        select job.ctid
        from queue.records as record join queue.ready as job
            on job.bucket_id = record.bucket_id and job.priority in (record.priority, 150, 50, 1)
            and job.due_at = record.due_at and job.id = record.id
        where record.id = any(job_ids)
        for update of job skip locked))
    returning *
), scheduled as (
    delete from queue.scheduled where ctid = any(array(
        select job.ctid
        from queue.records as record join queue.scheduled as job
            on job.due_at = record.due_at and job.slot = get_byte(uuid_send(record.tenant_id), 15) and job.id = record.id
        where record.id = any(job_ids)
        for update of job skip locked))
    returning *
)
select id, bucket_id, priority, due_at, tenant_id, expires_at, attempts, losses, true from ready
union all
select id, bucket_id, priority, due_at, tenant_id, expires_at, attempts, losses, false from scheduled
$$;

-- Gives up jobs that wait, and returns their ids: others are in work, or over.
create function queue.cancel(job_ids uuid[], cause text) returns setof uuid language sql as $$
with gone as materialized (
    select * from queue.take_waiting(job_ids)
), counted as (
    insert into queue.arrivals (slot, tenant_id, jobs)
    select get_byte(uuid_send(tenant_id), 15), tenant_id, -count(*) from gone group by tenant_id
), recorded as (
    update queue.records as record set state = 'cancelled', reason = cause, changed_at = now()
    from gone where record.id = gone.id
)
select id from gone
$$;
