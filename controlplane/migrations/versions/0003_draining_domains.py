"""Records of domains are kept until no host has mail of them."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0003"
down_revision = "0002"

TABLES = """
create table oltp.draining_domains (
    tenant_id uuid not null references oltp.tenants on delete cascade,
    domain text not null,
    spec jsonb not null,
    since timestamptz not null default now(),
    claimed_at timestamptz,
    primary key (tenant_id, domain)
);
comment on table oltp.draining_domains is 'domains that the document no longer has';
comment on column oltp.draining_domains.spec is 'as it was when the document had it';
comment on column oltp.draining_domains.claimed_at is 'another tenant has asked for it';
alter table oltp.draining_domains enable row level security;
alter table oltp.draining_domains force row level security;
create policy api on oltp.draining_domains for select to {api}
    using (tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid);
create policy operator on oltp.draining_domains for select to {operator} using (true);
create policy controller on oltp.draining_domains to {controller} using (true) with check (true);
grant select on oltp.draining_domains to {api}, {operator};
grant select, insert, update, delete on oltp.draining_domains to {controller};
"""

FUNCTION = """
create policy owner on oltp.draining_domains to current_user using (true) with check (true);
create policy owner on oltp.tenants for select to current_user using (true);
create policy owner on oltp.domains for select to current_user using (true);
create policy owner on oltp.schedule to current_user using (true) with check (true);

-- Lets domains drain no longer that keep a tenant from claiming names and that their owners'
-- documents do not have, and requests the passes that remove their records. A tenant's key cannot
-- see or change what is another tenant's: this says nothing, and changes nothing where the claim
-- would be refused all the same.
create function oltp.end_draining_domains(
    claimant uuid, occupied text[], registered_names text[], at timestamptz
) returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    owners uuid[];
    names text[];
begin
    with overlapping as (
        select distinct other.tenant_id, other.name
        from unnest(occupied, registered_names) as wanted (occupies, registered)
        join oltp.domains as other
            on other.registered = wanted.registered and other.tenant_id <> claimant
        where '.' || wanted.occupies like '%.' || other.occupies
           or '.' || other.occupies like '%.' || wanted.occupies
    )
    select array_agg(claimed.tenant_id), array_agg(claimed.name) into owners, names
    from overlapping as claimed join oltp.tenants as owner on owner.id = claimed.tenant_id
    having not bool_or(owner.document->'spec'->'domains'
        @> jsonb_build_array(jsonb_build_object('name', claimed.name)));
    -- As a pass: first its schedule, then what drains.
    update oltp.schedule
    set due_at = least(due_at, at), priority = 0, requests = requests + 1, attempts = 0
    where tenant_id = any(owners);
    -- Also of a document that no pass has seen yet.
    insert into oltp.draining_domains as draining (tenant_id, domain, spec, claimed_at)
    select owner.id, ended.name, coalesce(former.spec, jsonb_build_object('name', ended.name)), at
    from unnest(owners, names) as ended (tenant_id, name)
    join oltp.tenants as owner on owner.id = ended.tenant_id
    left join lateral (
        select spec from jsonb_array_elements(owner.applied_document->'spec'->'domains') as spec
        where spec->>'name' = ended.name
    ) as former on true
    on conflict (tenant_id, domain) do update set claimed_at = excluded.claimed_at
    where draining.claimed_at is null;
end
$$;
revoke execute on function oltp.end_draining_domains from public;
grant execute on function oltp.end_draining_domains to {api}, {operator};
"""


def upgrade() -> None:
    """Create the table, and grant each role its rights."""
    for statements in (TABLES, FUNCTION):
        op.execute(with_roles(statements, context.config.attributes["installation"]))


def downgrade() -> None:
    """Refuse."""
    raise NotImplementedError(
        "records that mail on hosts needs would be removed: restore a backup instead"
    )
