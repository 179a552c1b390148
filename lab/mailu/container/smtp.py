"""The part `smtp`: Postfix, whose tables are answered by admin."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.mailu.container import environment, processes, texts

DIRECTORY = Path("/etc/postfix")
OVERRIDES = Path("/overrides")
TABLES = Path("/run/stand-in/tables")
NOT_HERE = ("mta-sts-daemon.yml", "logrotate.conf")
"""Overrides of programs that this stand-in does not have."""


def start(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Write the configuration, apply what `/overrides` has now, and run Postfix."""
    known = environment.read(environ)
    for name in NOT_HERE:
        if (OVERRIDES / name).exists():
            raise environment.Refused(f"the stand-in has nothing that reads {name}")
    admin = known.address("admin")
    main, master = configuration(known, known.address("imap"), known.address("antispam"))
    texts.write(DIRECTORY / "main.cf", main)
    texts.write(DIRECTORY / "master.cf", master)
    texts.write(DIRECTORY / "outclean.map", texts.text_of("outclean.map"))
    (DIRECTORY / "transport.map").touch()
    apply(OVERRIDES)
    for table in DIRECTORY.glob("*.map"):
        if table.name != "outclean.map":
            subprocess.run(("postmap", f"lmdb:{table}"), check=True)
    bridge = ("python3", "-m", "lab.mailu.container.bridge", "tables", str(TABLES), admin)
    processes.run([bridge, ("postfix", "start-fg", *arguments)], environ)


def configuration(known: environment.Environment, imap: str, antispam: str) -> tuple[str, str]:
    """Return main.cf and master.cf."""
    dane = known.tls_level.startswith("dane")
    main = texts.text_of(
        "main.cf",
        hostname=known.hostname,
        domain=known.domain,
        networks=" ".join([known.subnet, *known.relay_networks]),
        delimiter=known.delimiter,
        size_limit=known.size_limit,
        tables=TABLES,
        imap=imap,
        subnet=known.subnet,
        antispam=antispam,
        tls_level=known.tls_level,
        dns="dnssec" if dane else "enabled",
    )
    # At port 25 there is no such choice: Postfix refuses what is not listed.
    unlisted = "yes" if known.yes("REJECT_UNLISTED_RECIPIENT", "no") else "no"
    return main, texts.text_of("master.cf", imap=imap, tables=TABLES, unlisted=unlisted)


def apply(overrides: Path) -> None:
    """Apply an installation's own lines, as Mailu does: by a shell, between double quotes."""
    for name, option in (("postfix.cf", "-e"), ("postfix.master", "-Me")):
        file = overrides / name
        for line in file.read_text().splitlines() if file.exists() else ():
            if line and not line.startswith("#"):
                # As Mailu's, so that what needs care there needs it here.
                os.system(f'postconf {option} "{line}"')  # noqa: S605
    for table in overrides.glob("*.map"):
        shutil.copy(table, DIRECTORY / table.name)
