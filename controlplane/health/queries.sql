-- name: write
insert into oltp.heartbeats (part, instance, process, at, progressed_at, trouble)
values (:part, :instance, :process, now(), now() - make_interval(secs => :idle), :trouble)
on conflict (part, instance) do update
set process = excluded.process, at = excluded.at, progressed_at = excluded.progressed_at,
    trouble = excluded.trouble

-- name: read
select part, instance, process, extract(epoch from now() - at)::float8 as silent,
    extract(epoch from now() - progressed_at)::float8 as idle, trouble
from oltp.heartbeats
where at > now() - interval '1 hour'
order by part, instance

-- name: delete
delete from oltp.heartbeats where part = :part and instance = :instance
