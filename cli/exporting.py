"""Copies the mail of people to this machine, by IMAP: what a host that loses Mailu destroys."""

from __future__ import annotations

import imaplib
import json
import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from blueprint.loading import Source
from cli.api import Api, path_of, tenant_path
from cli.faults import NOT_EXPORTED, UNWRITABLE
from controlplane.mailboxes.schemas import NewToken, SettingsView
from controlplane.tenants.schemas import TenantView

TIMEOUT_SECONDS = 120.0
LISTED = re.compile(rb'\((?P<flags>[^)]*)\) (?P<delimiter>NIL|"\\?.") (?P<name>.+)')
LETTERS = {
    rb"\Answered": "R",
    rb"\Deleted": "T",
    rb"\Draft": "D",
    rb"\Flagged": "F",
    rb"\Seen": "S",
}
"""Flags in the names of files."""


@dataclass(frozen=True)
class Copied:
    """What was copied of one mailbox."""

    mails: int
    bytes: int


def export(api: Api, source: Source, directory: Path) -> int | None:
    """Copy the mail of the hosts that a document takes Mailu from; return the number of mails.

    None where it takes it from none. The directory has a Maildir for each mailbox, and a
    `manifest.json` with the numbers, which is written last.
    """
    addresses = _leaving(api, source)
    if not addresses:
        return None
    _make(directory)
    copied = {}
    for address in addresses:
        with _login(api, source.name, address) as (settings, token):
            copied[address] = copy_mailbox(settings, token, directory / address)
    total = sum(each.mails for each in copied.values())
    manifest = {
        "tenant": source.name,
        "mails": total,
        "mailboxes": {address: asdict(each) for address, each in copied.items()},
    }
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return total


def copy_mailbox(
    settings: SettingsView, token: str, maildir: Path, context: ssl.SSLContext | None = None
) -> Copied:
    """Copy all folders of a mailbox to a Maildir; on the server nothing changes."""
    mails = size = 0
    context = context or ssl.create_default_context()
    try:
        with imaplib.IMAP4_SSL(
            settings.imap_host, settings.imap_port, ssl_context=context, timeout=TIMEOUT_SECONDS
        ) as client:
            client.login(settings.user, token)
            for name, folder in _folders(client):
                _checked(client.select(name, readonly=True))
                for uid in (_checked(client.uid("SEARCH", "ALL"))[0] or b"").split():
                    size += _write(client, uid, maildir / folder)
                    mails += 1
    except (OSError, imaplib.IMAP4.error) as error:
        raise NOT_EXPORTED(address=settings.user, reason=str(error)) from error
    return Copied(mails, size)


def _leaving(api: Api, source: Source) -> list[str]:
    """Return the mailboxes of hosts that have Mailu, and do not by the new document."""
    stored = api.find(tenant_path(source.name), TenantView)
    if stored is None:
        return []
    old, new = api.render(stored.document), api.render(source.tenant)
    without = {host.name for host in new.hosts if not host.has_mailu}
    hosts = [host for host in old.hosts if host.has_mailu and host.name in without]
    domains = {each.name for each in old.domains if any(each.is_on(host) for host in hosts)}
    return sorted(box.address for box in old.mailboxes if box.domain in domains)


def _make(directory: Path) -> None:
    """Make the directory; one that has something keeps it, and is refused."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise UNWRITABLE(reason="it is not empty", where=directory)
    except OSError as error:
        raise UNWRITABLE(reason=error.strerror, where=directory) from None


@contextmanager
def _login(api: Api, tenant: str, address: str) -> Iterator[tuple[SettingsView, str]]:
    """Yield how to log in at a mailbox, by a token that is revoked afterwards."""
    path = f"{tenant_path(tenant)}{path_of('mailboxes', address)}"
    settings = api.get(f"{path}/settings", SettingsView)
    made = api.post(f"{path}/tokens", NewToken, {"name": f"export {token_hex(4)}"})
    try:
        yield settings, made.token
    finally:
        api.delete(f"{path}{path_of('tokens', made.name)}")


def _folders(client: imaplib.IMAP4) -> Iterator[tuple[str, str]]:
    """Yield the folders of a mailbox: the name to select, and the directory in a Maildir."""
    for line in _checked(client.list()):
        found = LISTED.fullmatch(line)
        if found is None or rb"\Noselect" in found["flags"]:
            continue
        quoted = found["name"].decode()
        name = quoted.strip('"').replace('\\"', '"')
        delimiter = found["delimiter"].decode().strip('"')[-1:]
        directory = (
            "" if name == "INBOX" else f".{name.replace(delimiter, '.')}".replace("/", "%2F")
        )
        yield quoted if quoted.startswith('"') else f'"{quoted}"', directory


def _write(client: imaplib.IMAP4, uid: bytes, folder: Path) -> int:
    """Copy one mail; return its size."""
    answer = client.uid("FETCH", uid.decode(), "(FLAGS BODY.PEEK[])")
    [(head, content), *_] = [part for part in _checked(answer) if isinstance(part, tuple)]
    flags = "".join(sorted(LETTERS.get(flag, "") for flag in imaplib.ParseFlags(head)))
    for part in ("new", "cur", "tmp"):
        (folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
    text = content.replace(b"\r\n", b"\n")
    written = folder / "tmp" / f"{uid.decode()}.{token_hex(4)}.export"
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    written.rename(folder / "cur" / f"{written.name}:2,{flags}")
    return len(text)


def _checked(answer: tuple[str, list[Any]]) -> list[Any]:
    status, content = answer
    if status != "OK":
        raise imaplib.IMAP4.error(f"{status} {content[:1]}")
    return content
