"""Which tenant is reconciled next, and by which worker."""
