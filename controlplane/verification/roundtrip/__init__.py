"""People's mail on a host with Mailu, tried through a mailbox of ours."""

from controlplane.verification.roundtrip.trip import MailRoundTrips

__all__ = ["MailRoundTrips"]
