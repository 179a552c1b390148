select state, count(*) as jobs, min(created_at) as oldest from queue.jobs group by state
