-- Each mail of unknown outcome is reported once. (The queue's own tables may have been made with it.)
alter table queue.unknown add column if not exists reported boolean not null default false;

-- Events come in the order of their time: an index of a few pages finds those of the last minute.
create index events_at on mail.events using brin (at) with (pages_per_range = 16, autosummarize = on);

-- Operators release, withdraw, replay, resolve and recover; the API itself may not.
do $$
declare
    relation text;
begin
    foreach relation in array array[
        'queue.buckets', 'queue.ready', 'queue.scheduled', 'queue.claimed', 'queue.arrivals', 'queue.records',
        'queue.bodies', 'queue.carried_bodies', 'queue.dead', 'queue.unknown', 'mail.events'
    ] loop
        execute format('create policy operator_acts on %s to {operator} using (true) with check (true)', relation);
    end loop;
end
$$;
create policy controller_reports on queue.unknown for update to {controller} using (true) with check (true);

grant insert, update, delete on
    queue.ready, queue.scheduled, queue.claimed, queue.arrivals, queue.carried_bodies, queue.dead, queue.unknown
    to {operator};
grant update on queue.buckets, queue.records, queue.bodies to {operator};
grant insert, update on queue.identity to {operator};
grant insert on mail.events to {operator};
grant update (reported) on queue.unknown to {controller};
