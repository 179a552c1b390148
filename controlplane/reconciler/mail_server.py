"""What a host with Mailu is configured with: images, its own domain, and secrets."""

from __future__ import annotations

from blueprint.document import Blueprint, Domain, Host
from blueprint.tenant import MailboxServer
from controlplane.images.catalogue import ALL
from controlplane.images.faults import NOT_PINNED
from controlplane.reconciler import purposes
from controlplane.reconciler.ports import MailServer, MailServerSecrets
from controlplane.reconciler.snapshot import Snapshot
from kit.faults import Fault


def mail_server_of(snapshot: Snapshot, host: Host, *, messages_a_day: int) -> MailServer | None:
    """Return what is to be installed; None on a host without Mailu."""
    if not _has_mailu(snapshot, host):
        return None
    own = sorted(domain.name for domain in _domains(snapshot.blueprint, host))
    return MailServer(
        # One that leads here: a forwarded mail that cannot be delivered comes back to it. A host
        # that has no domain yet takes mail for its own name.
        domain=own[0] if own else host.primary.helo,
        images=dict(snapshot.images),
        messages_a_day=messages_a_day,
        webmail=host.webmail,
        held=gets_mailu(snapshot, host),
    )


def gets_mailu(snapshot: Snapshot, host: Host) -> bool:
    """Return whether a host had no Mailu before, and its mail is to be moved yet."""
    row = snapshot.hosts.get(host.name)
    return host.has_mailu and row is not None and (row.moves_mail or row.mail is MailboxServer.NONE)


def secrets_of(snapshot: Snapshot, host: Host) -> MailServerSecrets | None:
    """Return the secrets of a host's Mailu; None on a host without it."""
    if not _has_mailu(snapshot, host):
        return None
    store = snapshot.secrets
    return MailServerSecrets(
        api_token=store.open(purposes.mailu_token(host.name)),
        secret_key=store.open(purposes.mailu_secret_key(host.name)),
        dkim={
            domain.name: store.open(purposes.people_dkim(domain.name))
            for domain in _domains(snapshot.blueprint, host)
        },
    )


def keys_of_people(snapshot: Snapshot, host: Host) -> dict[str, str]:
    """Return the public halves of the keys that a host's Mailu signs with, by domain."""
    keys = snapshot.blueprint.keys
    if keys is None or not _has_mailu(snapshot, host):
        return {}
    return {
        domain.name: keys.people[domain.name].public_key
        for domain in _domains(snapshot.blueprint, host)
        if domain.name in keys.people
    }


def lack_of_images(snapshot: Snapshot, host: Host) -> Fault | None:
    """Return why a host cannot get Mailu yet."""
    lacking = ", ".join(sorted(ALL - snapshot.images.keys()))
    if not lacking or not _has_mailu(snapshot, host):
        return None
    return NOT_PINNED(host=host.name, services=lacking)


def _has_mailu(snapshot: Snapshot, host: Host) -> bool:
    """Return whether a host has Mailu or gets it; one that never had it retires without."""
    made = snapshot.secrets.find(purposes.mailu_token(host.name)) is not None
    return host.has_mailu and (made or not host.is_retired)


def _domains(blueprint: Blueprint, host: Host) -> list[Domain]:
    """Return the domains whose mailboxes are on a host."""
    return [domain for domain in blueprint.domains if domain.receives and domain.is_on(host)]
