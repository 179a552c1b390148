-- Addresses that take no new mail. A row stays when the address is gone, since a sender may remember
-- it for longer: intents are refused by it.
create table directory.draining (
    tenant_id uuid not null,
    address text not null,
    since timestamptz not null default now(),
    xid xid8 not null default pg_current_xact_id(),
    primary key (tenant_id, address)
);
comment on column directory.draining.xid is
    'no mail begins for the address any more once every transaction has ended that began before this one';

alter table directory.draining enable row level security;
alter table directory.draining force row level security;
create policy sender on directory.draining for select to {sender} using (true);
create policy controller on directory.draining to {controller} using (true) with check (true);
grant select on directory.draining to {sender};
grant select, insert, delete on directory.draining to {controller};

-- Says of accepted messages that they were never sent on: their address was released while its host
-- had them. Returns how many. `notes` have address and queue id; a host tries for some days at most.
create function mail.lose_accepted(tenant uuid, notes text[], cause text, words text) returns bigint
language plpgsql security definer set search_path = pg_catalog as $$
declare
    lost uuid[];
begin
    with changed as (
        update queue.records set state = 'dead', reason = cause, changed_at = now()
        where tenant_id = tenant and state = 'done' and note = any(notes)
          and changed_at > now() - interval '7 days' and id > queue.least_id(now() - interval '60 days')
        returning id
    ) select array_agg(id) into lost from changed;
    insert into mail.events (message_id, tenant_id, kind, state, reason, words)
    select id, tenant, 'outcome', 'bounced_infrastructure', cause, words from unnest(lost) as id;
    return coalesce(array_length(lost, 1), 0);
end
$$;
revoke execute on function mail.lose_accepted from public;
grant execute on function mail.lose_accepted to {controller};
