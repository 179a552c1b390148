create table directory.withdrawn (
    tenant_id uuid primary key,
    at timestamptz not null default now()
);
comment on table directory.withdrawn is 'tenants that were deleted: the sender cancels what waits of their mail';

alter table directory.withdrawn enable row level security;
alter table directory.withdrawn force row level security;
create policy sender on directory.withdrawn for select to {sender} using (true);
create policy controller on directory.withdrawn to {controller} using (true) with check (true);
grant select on directory.withdrawn to {sender};
grant select, insert on directory.withdrawn to {controller};
