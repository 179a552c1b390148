"""Revisions of the schema oltp."""
