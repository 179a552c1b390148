-- name: is_read_only
select pg_is_in_recovery() or current_setting('transaction_read_only') = 'on'
