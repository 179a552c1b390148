-- Partitions of weeks for what is kept for 90 days; those of days that exist stay until their time is over.
create index if not exists dead_of_tenant on queue.dead (tenant_id, id);
create index entries_of_reason on suppression.entries (tenant_id, reason, id);

create or replace function mail.make_partitions(ahead integer, behind integer default 0) returns void language sql as $$
    select queue.make_partition('mail.events', day, array[
        (day::timestamp at time zone 'UTC')::text, ((day + 1)::timestamp at time zone 'UTC')::text], 100)
    from queue.days(ahead, behind) as day;
    select queue.make_weeks('mail.messages', 100, ahead, behind)
$$;

-- Nothing is in the partitions of the next days.
do $$
declare
    part regclass;
    is_empty boolean;
begin
    for part in
        select inhrelid::regclass from pg_inherits join pg_class as c on c.oid = inhrelid
        where inhparent in ('mail.messages'::regclass, 'queue.records'::regclass) and c.relname ~ '_[0-9]{8}$'
          and to_date(right(c.relname, 8), 'YYYYMMDD') >= (now() at time zone 'UTC')::date
    loop
        execute format('select not exists (select from %s)', part) into is_empty;
        if is_empty then
            execute format('drop table %s', part);
        end if;
    end loop;
    perform queue.make_partitions(3);
    perform mail.make_partitions(3);
end
$$;

-- Days are counted back from today. Waits for nobody: what others use is dropped the next time. The
-- queue's workers keep up the queue's own tables; a message is kept for as long as its record.
create or replace function mail.maintain(records integer, events integer) returns void
language plpgsql security definer set search_path = pg_catalog set lock_timeout = '2s' as $$
declare
    part regclass;
    ends uuid[];
begin
    perform mail.make_partitions(3);
    foreach part in array queue.closed_partitions('mail.messages', records) loop
        ends := queue.bounds_of(part);
        if not exists (select from queue.records where id >= ends[1] and id < ends[2]) then
            execute format('drop table %s', part);
        end if;
    end loop;
    foreach part in array queue.closed_partitions('mail.events', events) loop
        execute format('drop table %s', part);
    end loop;
    delete from mail.messages_default as message
    where id < queue.least_id(now() - make_interval(days => records + 1))
      and not exists (select from queue.records as record where record.id = message.id);
    delete from mail.events_default where at < now() - make_interval(days => events + 1);
end
$$;

-- The sender deletes what is left of a tenant that was deleted.
create policy sender_forgets on directory.withdrawn for delete to {sender} using (true);
create policy sender_forgets on directory.draining for delete to {sender} using (true);
grant delete on directory.withdrawn, directory.draining to {sender};
