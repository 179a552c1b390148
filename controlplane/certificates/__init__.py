"""Certificates of public authorities: which names have one, and what an order needs."""
