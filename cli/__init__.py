"""Tenants and mail: the commands of a client of the API."""
