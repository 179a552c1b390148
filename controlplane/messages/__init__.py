"""The way from a request to the sender."""
