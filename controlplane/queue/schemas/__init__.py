"""API schemas of the queue: its figures, lists of mail, and what is done with mail."""

ID = "0199b1c2-0000-7000-8000-000000000001"
"""Of a message, in examples."""
