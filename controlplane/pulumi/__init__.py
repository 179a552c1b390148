"""The `CloudEngine` on Pulumi: one process for each operation."""
