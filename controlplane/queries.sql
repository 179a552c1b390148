-- name: set_tenant
select set_config('app.current_tenant_id', :id, true)

-- name: check
select 1 from oltp.tenants limit 1

-- name: begin
select 1

-- name: time
select clock_timestamp()
