"""Looks at a tenant as the Internet does: names, reverse names, submission, relaying."""

from controlplane.verification.internet import InternetVerifier

__all__ = ["InternetVerifier"]
