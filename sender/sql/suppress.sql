-- What holds for longer wins: nobody who unsubscribes is let go with an earlier bounce that expires.
insert into suppression.entries as entry (tenant_id, recipient, reason, source, added_at, expires_at)
values (:tenant_id, :recipient, :reason, :source, :now, :expires_at)
on conflict (tenant_id, recipient) do update
set reason = excluded.reason, source = excluded.source, added_at = excluded.added_at, expires_at = excluded.expires_at
where entry.expires_at < coalesce(excluded.expires_at, 'infinity')
returning recipient
