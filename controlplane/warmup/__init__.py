"""Warm-up of addresses, From domains and mailboxes, as operators see and set it."""
