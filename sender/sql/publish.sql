-- An equal document changes nothing, so that publishing may be repeated at every visit.
insert into directory.entries as entry (tenant_id, document, published_at)
values (:tenant_id, cast(:document as jsonb), :now)
on conflict (tenant_id) do update
set document = excluded.document, revision = entry.revision + 1, published_at = excluded.published_at
where entry.document <> excluded.document
returning revision
