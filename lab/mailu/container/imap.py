"""The part `imap`: Dovecot, whose users are admin's; mail is in `/mail/<address>`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.mailu.container import environment, processes, texts

DIRECTORY = Path("/etc/dovecot")
DICTIONARIES = Path("/run/stand-in/dictionaries")
MAIL = Path("/mail")
ACCOUNT = "mail"


def start(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Write the configuration, and run Dovecot."""
    known = environment.read(environ)
    admin = known.address("admin")
    texts.write(DIRECTORY / "stand-in.conf", configuration(known))
    texts.write(DIRECTORY / "users.conf", texts.text_of("users.conf", dictionaries=DICTIONARIES))
    processes.DOVECOT_PID.unlink(missing_ok=True)
    MAIL.mkdir(exist_ok=True)
    shutil.chown(MAIL, ACCOUNT, ACCOUNT)
    bridge = ("python3", "-m", "lab.mailu.container.bridge")
    dovecot = ("dovecot", "-F", "-c", str(DIRECTORY / "stand-in.conf"), *arguments)
    processes.run([(*bridge, "dictionaries", str(DICTIONARIES), admin), dovecot], environ)


def configuration(known: environment.Environment) -> str:
    """Return Dovecot's configuration."""
    return texts.text_of(
        "imap.conf",
        hostname=known.hostname,
        postmaster=known.postmaster,
        delimiter=known.delimiter,
        subnet=known.subnet,
        dictionaries=DICTIONARIES,
    )
