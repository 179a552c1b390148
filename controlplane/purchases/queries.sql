-- name: has_journal
select to_regprocedure('purchase.is_bound()') is not null

-- name: is_bound
select purchase.is_bound()

-- name: has_rates
select to_regprocedure('purchase.rates()') is not null

-- name: rates
select provider, requests, waited, refusals from purchase.rates()
