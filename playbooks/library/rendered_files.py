#!/usr/bin/python3

"""Creates files, links and directories as specified, in one call.

Writing is atomic (a new file in the same directory replaces the old one), so that a daemon reads
either the old or the new content. Owner and mode are set by descriptor: in a directory of another
account a name may become a link at any moment, which root must not follow.
"""

from __future__ import annotations

import contextlib
import fnmatch
import grp
import json
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

ARGUMENTS = r"""<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>"""
"""Ansible writes them here: see "Modules" in playbooks/README.md."""
FIELDS = {
    "path": None,
    "content": None,
    "link": None,
    "state": "present",
    "owner": "root",
    "group": "root",
    "mode": "0644",
}
"""Of an entry, with their defaults."""
STATES = ("present", "absent", "directory")


def _ids(owner: str, group: str) -> tuple[int, int]:
    """Return the numbers of account and group; one that only a container has is given by number."""
    uid = int(owner) if owner.isdecimal() else pwd.getpwnam(owner).pw_uid
    return uid, int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid


def _attributes_differ(path: Path, uid: int, gid: int, mode: int) -> bool:
    now = path.lstat()
    return (now.st_uid, now.st_gid, stat.S_IMODE(now.st_mode)) != (uid, gid, mode)


def _apply_attributes(descriptor: int, uid: int, gid: int, mode: int) -> None:
    os.fchown(descriptor, uid, gid)
    os.fchmod(descriptor, mode)


def _read(path: Path) -> str | None:
    if path.is_symlink() or not path.is_file():
        return None
    return path.read_text(encoding="utf-8", errors="replace")


def _difference(path: Path, before: str, after: str) -> dict[str, str]:
    return {
        "before_header": str(path),
        "after_header": str(path),
        "before": before,
        "after": after,
    }


def _remove_temporary_files(directory: Path) -> None:
    """Remove temporary files of a killed run: they may contain a key."""
    for path in directory.glob(".penguin-*"):
        path.unlink(missing_ok=True)


def write_file(file: dict[str, Any], check: bool) -> dict[str, str] | None:
    """Write one file; return its difference, or None when nothing differs."""
    path, content = Path(file["path"]), file["content"]
    uid, gid = _ids(file["owner"], file["group"])
    mode = int(file["mode"], 8)
    before = _read(path)
    if before == content and not _attributes_differ(path, uid, gid, mode):
        return None
    if not check:
        _remove_temporary_files(path.parent)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".penguin-")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as target:
                target.write(content)
                target.flush()
                _apply_attributes(target.fileno(), uid, gid, mode)
                os.fsync(target.fileno())
            temporary.rename(path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
            raise
    return _difference(path, before or "", content)


def make_directory(file: dict[str, Any], check: bool) -> dict[str, str] | None:
    """Create one directory with its parents; return its difference or None."""
    path = Path(file["path"])
    uid, gid = _ids(file["owner"], file["group"])
    mode = int(file["mode"], 8)
    if path.is_dir() and not _attributes_differ(path, uid, gid, mode):
        return None
    if not check:
        path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            _apply_attributes(descriptor, uid, gid, mode)
        finally:
            os.close(descriptor)
    return _difference(path, "", "directory\n")


def make_link(file: dict[str, Any], check: bool) -> dict[str, str] | None:
    """Create one symbolic link, replacing what exists; return its difference or None."""
    path, target = Path(file["path"]), file["link"]
    before = str(path.readlink()) if path.is_symlink() else ""
    if before == target:
        return None
    if not check:
        _remove_temporary_files(path.parent)
        temporary = path.with_name(f".penguin-{os.getpid()}-{path.name}")
        temporary.symlink_to(target)
        temporary.rename(path)
    return _difference(path, before, target)


def remove(path: Path, check: bool) -> dict[str, str] | None:
    """Remove a file or directory; return its difference or None."""
    if not path.is_symlink() and not path.exists():
        return None
    if not check:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return _difference(path, "present\n", "")


def prune(rule: dict[str, Any], check: bool) -> list[dict[str, str]]:
    """Remove every entry of a directory that matches a pattern and is not in `keep`."""
    directory, keep = Path(rule["directory"]), set(rule["keep"])
    if not directory.is_dir():
        return []
    unwanted = [
        entry
        for entry in sorted(directory.iterdir())
        if fnmatch.fnmatchcase(entry.name, rule["pattern"]) and entry.name not in keep
    ]
    changes = [remove(entry, check) for entry in unwanted]
    return [change for change in changes if change is not None]


def completed(file: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with all its fields; raises ValueError at one that does not exist."""
    entry = FIELDS | file
    if unknown := sorted(file.keys() - FIELDS.keys()):
        raise ValueError(f"unknown: {', '.join(unknown)}")
    if entry["state"] not in STATES:
        raise ValueError(f"unknown state: {entry['state']}")
    return entry


def apply(file: dict[str, Any], check: bool) -> dict[str, str] | None:
    """Apply one entry."""
    if file["state"] == "absent":
        return remove(Path(file["path"]), check)
    if file["state"] == "directory":
        return make_directory(file, check)
    if file["link"] is not None:
        return make_link(file, check)
    return write_file(file, check)


def run(files: list[dict[str, Any]], rules: list[dict[str, Any]], check: bool) -> dict[str, Any]:
    """Apply all entries; return the changes, or which path failed."""
    changes: list[dict[str, str]] = []
    path = ""
    try:
        for file in files:
            path = file["path"]
            change = apply(completed(file), check)
            if change is not None:
                changes.append(change)
        for rule in rules:
            path = rule["directory"]
            changes += prune(rule, check)
    except (OSError, KeyError, ValueError) as error:
        return {"failed": True, "msg": f"{path}: {error}"}
    return {
        "changed": bool(changes),
        "paths": [change["after_header"] for change in changes],
        "diff": changes,
    }


def main() -> None:
    """Read the arguments, apply all entries, return the changes."""
    arguments = json.loads(ARGUMENTS)
    check = arguments["_ansible_check_mode"]
    print(json.dumps(run(arguments["files"], arguments["prune"], check)))


if __name__ == "__main__":
    main()
