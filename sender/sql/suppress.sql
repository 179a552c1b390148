insert into suppression.entries (tenant_id, recipient, reason, source, added_at, expires_at)
values (:tenant_id, :recipient, :reason, :source, :now, :expires_at)
on conflict (tenant_id, recipient) do nothing
returning recipient
