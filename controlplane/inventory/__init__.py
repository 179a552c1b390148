"""The parts of tenants: hosts, addresses, domains and mailboxes, each with its conditions."""
