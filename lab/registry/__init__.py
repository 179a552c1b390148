"""The container registry of the lab: a real one behind TLS and a token service as at GitHub."""
