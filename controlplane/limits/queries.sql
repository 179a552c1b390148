-- part: limits
select scope, monthly_cents, orders_a_day, reason, actor, since
from purchase.limits

-- name: page
-- Those of tenants come last: their scopes have a slash, after the id of the installation.
{limits}
where ((strpos(scope, '/') > 0), scope) > ((strpos(:after, '/') > 0), :after)
order by strpos(scope, '/') > 0, scope
limit :limit

-- name: find
{limits}
where scope = :scope

-- name: set
insert into purchase.limits (scope, monthly_cents, orders_a_day, reason, actor)
values (:scope, :monthly_cents, :orders_a_day, :reason, :actor)
on conflict (scope) do update
set monthly_cents =
        case when :sets_monthly then excluded.monthly_cents else limits.monthly_cents end,
    orders_a_day = case when :sets_orders then excluded.orders_a_day else limits.orders_a_day end,
    reason = excluded.reason, actor = excluded.actor, since = excluded.since

-- name: remove_empty
delete from purchase.limits
where scope = :scope and monthly_cents is null and orders_a_day is null
