-- Addresses that take no new mail. A row stays when the address is gone, since a sender may remember
-- it for longer: intents are refused by it.
create table directory.draining (
    tenant_id uuid not null,
    address text not null,
    since timestamptz not null default now(),
    primary key (tenant_id, address)
);

alter table directory.draining enable row level security;
alter table directory.draining force row level security;
create policy sender on directory.draining for select to {sender} using (true);
create policy controller on directory.draining to {controller} using (true) with check (true);
grant select on directory.draining to {sender};
grant select, insert, delete on directory.draining to {controller};

-- Says of accepted messages that they were never sent on: their address was released while its host
-- had them, by these queue ids. Returns how many. A host tries for some days at most.
create function mail.lose_accepted(tenant uuid, released text, queue_ids text[], cause text, words text) returns bigint
language plpgsql security definer set search_path = pg_catalog as $$
declare
    lost uuid[];
begin
    with accepted as (
        select distinct message_id from mail.events
        where tenant_id = tenant and at > now() - interval '7 days' and state = 'accepted'
          and details ->> 'address' = released and details ->> 'queue_id' = any(queue_ids)
    ), changed as (
        update queue.records as record set state = 'dead', reason = cause, changed_at = now()
        from accepted
        where record.id = accepted.message_id and record.tenant_id = tenant and record.state = 'done'
        returning record.id
    ) select array_agg(id) into lost from changed;
    insert into mail.events (message_id, tenant_id, kind, state, reason, words)
    select id, tenant, 'outcome', 'bounced_infrastructure', cause, words from unnest(lost) as id;
    return coalesce(array_length(lost, 1), 0);
end
$$;
revoke execute on function mail.lose_accepted from public;
grant execute on function mail.lose_accepted to {controller};
