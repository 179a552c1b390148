"""The queue for operators: figures, held mail, dead letters, unknown outcomes, recovery."""
