"""`make bench-reconciler`: many tenants, by the product's own passes and a real database.

Providers and hosts are in memory, so that what is measured is the reconciler.
"""
