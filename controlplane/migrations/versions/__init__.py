"""The history of the schema oltp."""
