"""What checks names and hosts from outside, in passes and in the checker."""

from __future__ import annotations

from pathlib import Path

from composition.settings import VerificationSettings
from controlplane.ansible.shell import OpenSsh
from controlplane.reconciler.checks import Outside
from controlplane.verification import InternetVerifier
from controlplane.verification.exposure import PortScan
from controlplane.verification.links import PublicLinks


def outside(settings: VerificationSettings, roots: Path | None) -> Outside:
    """Return the checks of every kind; `roots` has the public authorities that are trusted."""
    resolver, source = settings.resolver or None, settings.source or None
    return Outside(
        InternetVerifier(
            resolver=resolver,
            source=source,
            echo_mx=settings.echo_mx or None,
            shell=OpenSsh(),
            roots=roots,
            scan=PortScan(source),
        ),
        PublicLinks(resolver=resolver, source=source, roots=roots),
    )
