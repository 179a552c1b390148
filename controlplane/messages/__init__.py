"""API requests for the sender's messages."""
