-- Who gets a message is known by the hash of the address, also after the address was erased.
alter table mail.messages add column recipient_hash bytea;
update mail.messages set recipient_hash = sha256(convert_to(lower(recipient), 'UTF8'));
alter table mail.messages alter column recipient_hash set not null;
create index messages_of_recipient on mail.messages (recipient_hash, tenant_id, id);

-- What waits, or has ended otherwise than most. An entry more costs some 100 octets of WAL for each mail.
create index records_not_done on queue.records (tenant_id, id) where state <> 'done';

-- Events are read in the order of transactions, and only those before the oldest one that is open: what
-- commits later comes later, so that nobody who goes on after an event misses one.
create sequence mail.event_numbers;
alter table mail.events
    add column xid xid8 not null default pg_current_xact_id(),
    add column number bigint not null default nextval('mail.event_numbers');
create index events_in_order on mail.events (tenant_id, xid, number);
comment on column mail.events.number is 'the order within a transaction';

-- Gives up a tenant's messages that wait in nobody's hands, and returns their ids.
create function mail.cancel(tenant uuid, message_ids uuid[], cause text, words text) returns setof uuid
language plpgsql security definer set search_path = pg_catalog as $$
declare
    gone uuid[];
begin
    if tenant is distinct from nullif(current_setting('app.current_tenant_id', true), '')::uuid then
        raise insufficient_privilege using message = 'permission denied to cancel messages of another tenant';
    end if;
    gone := array(select queue.cancel(
        array(select id from mail.messages where id = any(message_ids) and tenant_id = tenant), cause));
    insert into mail.events (message_id, tenant_id, kind, state, reason, words)
    select id, tenant, 'decided', 'cancelled', cause, words from unnest(gone) as id;
    return query select unnest(gone);
end
$$;

revoke execute on function mail.cancel from public;
grant execute on function mail.cancel to {api};
grant usage on sequence mail.event_numbers to {operator}, {controller}, {sender};

-- Operators erase what is stored of a recipient.
create policy operator_erases on mail.messages for update to {operator} using (true) with check (true);
create policy operator_erases on mail.events for update to {operator} using (true) with check (true);
grant update (recipient, recipient_hash, subject) on mail.messages to {operator};
grant update (words, details) on mail.events to {operator};
