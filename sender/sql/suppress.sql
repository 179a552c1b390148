insert into suppression.entries (tenant_id, recipient, reason, source, added_at)
values (:tenant_id, :recipient, :reason, :source, :now)
on conflict do nothing
