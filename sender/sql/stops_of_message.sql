-- Of the addresses only the domain's home counts: the others may be used in its stead.
select stop.id, stop.scope, stop.tenant_id, stop.name, stop.reason, stop.actor, stop.by_operator, stop.since
from directory.stops as stop
where (stop.tenant_id is null or stop.tenant_id = :tenant_id)
  and (stop.scope in ('platform', 'tenant')
    or (stop.scope = 'domain' and stop.name = :domain)
    or (stop.scope = 'address' and stop.name = (
        select address from directory.homes where tenant_id = :tenant_id and domain = :domain)))
order by array_position(array['platform', 'tenant', 'domain', 'address'], stop.scope), stop.name
