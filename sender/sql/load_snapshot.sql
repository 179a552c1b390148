-- One row, also for a tenant that is not in the directory.
select
    (select document from directory.entries where tenant_id = :tenant_id) as document,
    (select coalesce(json_object_agg(domain, address), '{}') from directory.homes
     where tenant_id = :tenant_id) as homes,
    (select coalesce(json_agg(to_json(stop) order by array_position(array['platform', 'tenant', 'domain', 'address'], scope)), '[]')
     from directory.stops as stop where tenant_id is null or tenant_id = :tenant_id) as stops,
    (select coalesce(json_object_agg(subject, handed_over), '{}') from queue.usage
     where day = :day and kind = 'mailbox' and subject = :mailbox) as mailboxes,
    (select reason from suppression.entries
     where tenant_id = :tenant_id and recipient = :recipient) as suppressed
