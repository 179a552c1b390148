"""Hosts: which machine each is, and what was applied to it last."""
