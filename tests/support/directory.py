"""An entry of the sender's directory: a tenant with one address, From domain and mailbox."""

from __future__ import annotations

from datetime import date

from sender.directory import DirectoryEntry, SendingAddress, SendingDomain, SendingMailbox

ENTRY = DirectoryEntry(
    tenant="acme",
    addresses=(
        SendingAddress(
            name="mx1-2",
            ip="198.18.1.2",
            helo="mx1-2.acme.example",
            username="user",
            sealed_password="sealed",
            ca_pem="pem",
        ),
    ),
    domains=(
        SendingDomain(
            name="acme.example",
            return_path="b.acme.example",
            selector="s1",
            sealed_dkim_key="sealed",
            verified=True,
        ),
    ),
    mailboxes=(SendingMailbox(address="sales@acme.example", daily_cap=50),),
    warmup_started=date(2026, 11, 1),
    postal_address="Acme Inc., Springfield",
)
