"""Stopping and starting mail: of the platform, a tenant, or a part of its mail."""
