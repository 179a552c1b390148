"""Stopping and starting mail: of the platform, a tenant, a domain or an address."""
