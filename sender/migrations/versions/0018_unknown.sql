-- Operators settle unknown outcomes by tenant, in the order of ids: after a restore there may be many.
create index if not exists unknown_of_tenant on queue.unknown (tenant_id, id);
