"""`make chaos`: reconcilers, operations and engines end in every way; nothing is bought twice.

`scene` starts PostgreSQL, the API and both providers' emulators, which are never ended. `program`
is a reconciler of the product's parts, and the process of its operations; each ends itself at a
named point (`points`) that the harness has armed. `harness` edits tenants, disturbs, plays the
`person` of `penguin todo`, waits until all has converged, and lets the `auditor` compare.
"""
