"""Public authorities by the ACME protocol (RFC 8555)."""
