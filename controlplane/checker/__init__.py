"""The checks from outside on which passes rely, on a schedule and in a process of their own."""
