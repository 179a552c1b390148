"""Holds of addresses, providers, From domains, mailboxes and tenants, as operators see and set."""
