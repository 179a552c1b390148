"""Container images of hosts: which digests are installed is data, read from a registry."""
