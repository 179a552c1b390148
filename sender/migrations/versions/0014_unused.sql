-- When buckets and recipients' domains were used last; of those that exist, it counts from now on.
alter table queue.buckets add column if not exists emptied_at timestamptz not null default now();
comment on column queue.buckets.emptied_at is 'while not filled: no job was due here since';
grant execute on function queue.drop_buckets to {sender};
alter table policy.recipient_domains add column used_at timestamptz not null default now();
comment on column policy.recipient_domains.used_at is 'when mail to it was enqueued last; to 30 days';

-- The providers of domains, null where one is not resolved yet; unknown ones are entered. The API's role may look
-- up the domains of its own messages, and cannot read which others there are. The row of a domain that was not
-- used for 30 days is locked, so that it is not dropped meanwhile.
create or replace function policy.providers_of(domains text[]) returns table (domain text, provider text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    insert into policy.recipient_domains (domain)
    select distinct lower(wanted) from unnest(domains) as wanted
    where not exists (
        select from policy.recipient_domains as known
        where known.domain = lower(wanted) and known.used_at > now() - interval '30 days')
    order by 1
    on conflict (domain) do update set used_at = now();
    return query
    select known.domain, known.provider from policy.recipient_domains as known
    where known.domain in (select lower(wanted) from unnest(domains) as wanted);
end
$$;
