-- Operators stop a queue or a provider for all tenants, too.
alter table directory.stops
    drop constraint stops_scope_check,
    drop constraint stops_check,
    add constraint stops_scope_check check (scope in (
        'platform', 'tenant', 'queue', 'provider', 'domain', 'mailbox', 'campaign', 'address')),
    add constraint stops_check check (case
        when scope = 'platform' then tenant_id is null
        else tenant_id is not null or scope in ('queue', 'provider') end);

comment on column directory.stops.name is
    'in lower case: domain, mailbox, campaign, queue (high, normal, low), provider, or address (mx1-2); null for platform and tenant';
