-- name: has_journal
select to_regprocedure('purchase.is_bound()') is not null

-- name: is_bound
select purchase.is_bound()
