"""Certificates of public authorities: which names have one, and what an order needs."""

PROOF = "/.well-known/penguinmails"
"""Where the public endpoints answer with the id of their installation."""
PUBLIC_KEYS = "public endpoints"
"""Purpose of the keys, derived from the key ring, that seal the keys of HTTP-01's certificates."""
