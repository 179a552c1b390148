-- name: ask
insert into oltp.mailbox_questions (id, tenant_id, host, action, address, name, public_key)
values (:id, :tenant_id, :host, :action, :address, :name, :public_key)

-- name: answer_of
select answer from oltp.mailbox_questions where id = :id

-- name: forget
delete from oltp.mailbox_questions where id = :id returning taken

-- name: drop_old
delete from oltp.mailbox_questions
where tenant_id = :tenant_id and asked_at < now() - interval '1 minute'

-- name: waiting
select id, host, action, address, name, public_key from oltp.mailbox_questions
where tenant_id = :tenant_id and not taken and asked_at > now() - interval '1 minute'
order by asked_at

-- name: take
update oltp.mailbox_questions set taken = true where id = :id and not taken

-- name: answer
update oltp.mailbox_questions set answer = :answer where id = :id
