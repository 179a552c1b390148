"""Verifies a tenant from outside: names, reverse names, submission, relaying."""

from controlplane.verification.internet import InternetVerifier

__all__ = ["InternetVerifier"]
