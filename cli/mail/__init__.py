"""Reads mail files: every header and part is sent, or refused by name."""
