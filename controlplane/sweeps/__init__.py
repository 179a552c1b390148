"""Which process lists the account of the provider, and what the last listing has shown."""
