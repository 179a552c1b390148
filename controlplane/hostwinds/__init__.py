"""Reads from the provider's API without the engine."""
