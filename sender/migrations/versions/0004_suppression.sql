-- One row for each reason: an unsubscribe after a bounce is a row of its own, and the one stays when
-- the other is removed.
alter table suppression.entries
    add column id uuid,
    add column added_by text,
    drop constraint entries_pkey,
    drop constraint entries_reason_check,
    add constraint entries_reason_check check (reason in ('unsubscribed', 'bounced', 'complained', 'manual')),
    add primary key (tenant_id, recipient, reason);

-- UUIDs version 7 of the time when they were added. The conversion of a type, unlike an update, is
-- not subject to row policies.
alter table suppression.entries
    alter column id type uuid using (
        lpad(to_hex((extract(epoch from added_at) * 1000)::bigint), 12, '0') || '7'
        || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid,
    alter column id set not null,
    add constraint entries_listed unique (tenant_id, id);

comment on column suppression.entries.source is 'what it came from: `one-click` (a link in a mail), `api`';
comment on column suppression.entries.added_by is 'prefix of the API key that asked for it; null: nobody with a key did';

drop policy public on suppression.entries;
create policy public on suppression.entries for insert to {public}
    with check (reason = 'unsubscribed' and added_by is null);
