"""Errors, files, locks, processes and paths for all packages; standard library only."""
