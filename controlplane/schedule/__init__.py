"""Which tenant is reconciled next, and by whom."""
