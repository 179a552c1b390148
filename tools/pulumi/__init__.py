"""Brings the Pulumi engine to this machine: found, downloaded, or built from published modules."""
