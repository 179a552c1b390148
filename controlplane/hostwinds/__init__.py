"""Reads of the provider's API beside the engine."""
