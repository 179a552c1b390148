-- Returns no row when the cap is used up.
insert into queue.usage (kind, subject, day, handed_over)
select :kind, :subject, :day, 1 where cast(:cap as integer) > 0
on conflict (kind, subject, day) do update set handed_over = usage.handed_over + 1
where usage.handed_over < :cap
returning handed_over
