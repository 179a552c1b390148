"""Whom a tenant sends no more mail, and why."""
