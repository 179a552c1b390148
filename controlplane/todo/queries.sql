-- name: page
-- The index `conditions_todo` has the rows in this order, and no others.
select condition.tenant_id, tenant.name as tenant, condition.subject, condition.type as condition,
    condition.reason, condition.message, condition.acts, condition.remedy,
    condition.asked_at as since, stalled.reason is not null as stalls
from oltp.conditions as condition join oltp.tenants as tenant on tenant.id = condition.tenant_id
left join oltp.conditions as stalled
    on stalled.tenant_id = condition.tenant_id and stalled.subject = 'tenant'
        and stalled.type = 'Stalled' and stalled.status = 'True'
        and stalled.reason = condition.reason
where condition.acts is not null
  and (condition.tenant_id, condition.subject, condition.type)
    > (cast(:tenant_id as uuid), :subject, :type)
  and condition.tenant_id <= cast(:last_id as uuid)
  and (cast(:reason as text) is null or condition.reason = :reason)
order by condition.tenant_id, condition.subject, condition.type
limit :limit
