-- name: messages_of_recipient
select id from mail.messages
where recipient_hash = %(recipient)s and (%(tenant_id)s::uuid is null or tenant_id = %(tenant_id)s)
  and (%(before)s::uuid is null or id < %(before)s)
order by id desc
limit %(limit)s

-- name: record_cancelled
insert into mail.events (message_id, tenant_id, kind, state, reason, words)
select id, tenant_id, 'decided', 'cancelled', %(reason)s, '' from mail.messages where id = any(%(ids)s)

-- name: empty_messages
update mail.messages set recipient = '', recipient_hash = '', subject = '' where id = any(%(ids)s)

-- name: empty_events
-- Hosts answer with the address.
update mail.events set words = '', details = '{}' where message_id = any(%(ids)s)
