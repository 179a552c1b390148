"""Mailu on one host: its REST API, what tenants want there, and the way from one to the other."""
