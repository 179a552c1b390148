"""Tenants whose addresses, domains and mailboxes have sent for long, and domains that are known."""

from __future__ import annotations

from datetime import timedelta

import psycopg

from sender.directory import DirectoryEntry
from sender.policy.providers import NAMES

DAY = 1000
"""Of every curve: the last one, with its highest caps."""


def declare_warm(dsn: str, *entries: DirectoryEntry, ago: timedelta = timedelta()) -> None:
    """Let all that the mail of tenants counts against be warm, as operators would, or did.

    Senders read the tenants again of which anything was set within the last seconds.
    """
    subjects = [
        subject
        for entry in entries
        for subject in (
            *(("address", address.ip) for address in entry.addresses),
            *(("provider", f"{a.ip}/{name}") for a in entry.addresses for name in NAMES),
            *(("domain", domain.name) for domain in entry.domains),
            *(("mailbox", box.address) for box in entry.mailboxes),
        )
    ]
    kinds, names = zip(*subjects, strict=True)
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(
            """insert into policy.warmup
                (kind, subject, day, started, counted_to, last_used, set_at)
            select kind, subject, %s, today, today, today, now() - %s
            from unnest(%s::text[], %s::text[]) as warm (kind, subject),
                (select (now() at time zone 'UTC')::date as today) as now
            on conflict do nothing""",
            (DAY, ago, list(kinds), list(names)),
        )


def resolve_domains(dsn: str, **providers: str) -> None:
    """Let the providers of recipients' domains be known: nobody asks DNS for them."""
    with psycopg.connect(dsn, autocommit=True) as admin:
        for domain, provider in providers.items():
            admin.execute(
                """insert into policy.recipient_domains (domain, provider, looked_at, look_at)
                values (%s, %s, now(), 'infinity') on conflict do nothing""",
                (domain, provider),
            )
