"""Moves the mail of mailboxes into the Maildirs of Mailu. Runs on a host, by itself.

Each mail is in one place at any moment: it is renamed within one file system. So what was
interrupted is continued by the next run, and nothing is there twice. Takes the names of the
mailboxes as JSON, and prints for each how many mails were there and how many are in Mailu now.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

PARTS = ("new", "cur")
MODE = 0o600


def mails(maildir: Path) -> Iterator[Path]:
    """Yield the mails of a Maildir, and of the folders in it."""
    for folder in (maildir, *sorted(maildir.glob(".*"))):
        for part in PARTS:
            if (folder / part).is_dir():
                yield from (path for path in sorted((folder / part).iterdir()) if _is_mail(path))


def move(before: Path, after: Path, owner: tuple[int, int]) -> tuple[int, int]:
    """Move the mails of one mailbox; return how many there were, and how many are there now."""
    found = _keys(before)
    for mail in list(mails(before)):
        folder = after / mail.parent.parent.relative_to(before)
        _make_folder(folder, after, owner)
        place = folder / mail.parent.name / mail.name
        if place.exists():
            continue  # of the same name, which nothing gives twice: it stays, and is counted
        os.chown(mail, *owner, follow_symlinks=False)
        mail.chmod(MODE)
        mail.rename(place)
    _sync(after, before)
    return len(found), len((found & _keys(after)) - _keys(before))


def remove_empty(maildir: Path) -> None:
    """Remove the directories of a Maildir in which nothing is left."""
    for directory, _, _ in os.walk(maildir, topdown=False):
        if not any(Path(directory).iterdir()):
            Path(directory).rmdir()


def _is_mail(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _keys(maildir: Path) -> set[tuple[str, str]]:
    """Return folder and name of each mail, without flags: a server that sees one adds some."""
    return {
        (mail.parent.parent.relative_to(maildir).as_posix(), mail.name.partition(":")[0])
        for mail in mails(maildir)
    }


def _make_folder(folder: Path, maildir: Path, owner: tuple[int, int]) -> None:
    for directory in (maildir, folder, *(folder / part for part in (*PARTS, "tmp"))):
        directory.mkdir(mode=0o700, exist_ok=True)
        if directory.stat().st_uid != owner[0]:
            os.chown(directory, *owner)


def _sync(*maildirs: Path) -> None:
    """Write what was renamed to the disk."""
    for maildir in maildirs:
        for directory, _, _ in os.walk(maildir):
            descriptor = os.open(directory, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)


def main(people: str, mailu: str, names: str) -> None:
    """Move the mail of some mailboxes."""
    root = Path(mailu).stat()  # Mailu gives the directory to the account that reads mail
    for name in json.loads(names):
        before, after = Path(people, quote(name, safe="")), Path(mailu, name)
        counts = move(before, after, (root.st_uid, root.st_gid)) if before.is_dir() else (0, 0)
        if before.is_dir():
            remove_empty(before)
        print(json.dumps([name, *counts]))


if __name__ == "__main__":
    main(*sys.argv[1:])
