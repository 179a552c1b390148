-- Whether a hold has an end. Of holds by people, it is known when the sender looks at them again, within 15 minutes.
alter table queue.buckets add column if not exists endless boolean not null default false;
comment on column queue.buckets.endless is 'of a hold: at held_until it is only looked at again';
update queue.buckets set endless = true
where held_until = 'infinity' or held_until > now() and reason in (
    'stopped', 'not_published', 'domain_unknown', 'mailbox_unknown', 'no_postal_address', 'domain_not_verified',
    'address_not_ready', 'address_draining', 'provider_unresolved', 'unsubscribe_not_https');
