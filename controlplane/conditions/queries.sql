-- name: load_all
select tenant_id, subject, type, status, reason, message, observed_generation, last_transition_at,
    acts, remedy, asked_at
from oltp.conditions
where tenant_id = any(:ids) and (cast(:subject as text) is null or subject = :subject)
order by tenant_id, subject, type

-- name: save
insert into oltp.conditions (
    tenant_id, subject, type, status, reason, message, observed_generation, last_transition_at,
    acts, remedy, asked_at)
values (
    :tenant_id, :subject, :type, :status, :reason, :message, :observed_generation,
    :last_transition_at, :acts, :remedy, :asked_at)
on conflict (tenant_id, subject, type) do update
set status = excluded.status, reason = excluded.reason, message = excluded.message,
    observed_generation = excluded.observed_generation,
    last_transition_at = excluded.last_transition_at, acts = excluded.acts,
    remedy = excluded.remedy, asked_at = excluded.asked_at

-- name: delete_others
delete from oltp.conditions where tenant_id = :tenant_id and subject <> all(:subjects)

-- name: count_failure
insert into oltp.consecutive_failures (tenant_id, subject, type, looks, since)
select :tenant_id, subject, :type, 1, now() from unnest(cast(:subjects as text[])) as subject
on conflict (tenant_id, subject, type) do update set looks = oltp.consecutive_failures.looks + 1
returning subject, looks, now() - since as age

-- name: failing_types
select distinct type from oltp.consecutive_failures where tenant_id = :tenant_id order by type

-- name: end_failures
delete from oltp.consecutive_failures
where tenant_id = :tenant_id and type = :type and subject <> all(cast(:kept as text[]))

-- name: count_asked
select reason, acts, count(*) from oltp.conditions
where acts is not null
group by reason, acts

-- name: count_stalled
select reason, count(*) from oltp.conditions
where type = 'Stalled' and status = 'True'
group by reason
