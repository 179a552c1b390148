"""What a host runs to remove what Mailu leaves of a mailbox or a domain."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from controlplane.ansible.purging import purge_command


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The directory of a host's Mailu, and a `docker` that writes down how it was called."""
    mailu = tmp_path / "mailu"
    for name in ("ann@acme.example", "bob@acme.example", "ann@acme.example.co", "a*@bolt.example"):
        (mailu / "mail" / name / "cur").mkdir(parents=True)
        (mailu / "mail" / name / "cur" / "1:2,S").write_text("From: x\n")
    (mailu / "dkim").mkdir()
    for name in ("acme.example.mu1", "acme.example.mu2", "acme.example.co.mu1", "bolt.example.mu1"):
        (mailu / "dkim" / f"{name}.key").write_text("key")
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {tmp_path}/called\nexit 68\n')
    docker.chmod(0o755)
    return mailu


def purged(host: Path, *names: str) -> list[str]:
    """Purge, and return what is printed."""
    path = f"{host.parent}/bin:{os.environ['PATH']}"
    command = ["sh", "-c", purge_command(names, str(host))]
    done = subprocess.run(command, env={"PATH": path}, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def left(host: Path) -> set[str]:
    return {path.name for folder in ("mail", "dkim") for path in (host / folder).iterdir()}


def test_a_mailbox_goes_with_its_mail_and_no_other(host: Path) -> None:
    before = left(host)
    assert purged(host, "ann@acme.example") == ["end"]
    assert before - left(host) == {"ann@acme.example"}
    called = (host.parent / "called").read_text().splitlines()
    assert [each for each in called if each in ("front", "imap")] == ["front", "imap"]
    assert called.count("ann@acme.example") == 2


def test_a_domain_goes_with_its_keys_and_all_its_mail(host: Path) -> None:
    before = left(host)
    assert purged(host, "acme.example") == ["end"]
    assert before - left(host) == {
        "ann@acme.example",
        "bob@acme.example",
        "acme.example.mu1.key",
        "acme.example.mu2.key",
    }
    assert (host.parent / "called").read_text().splitlines()[-1] == "*@acme.example"


def test_a_name_is_no_pattern_and_no_path(host: Path) -> None:
    before = left(host)
    assert purged(host, "a*@acme.example", "../mail/bob@acme.example") == [
        "../mail/bob@acme.example",
        "end",
    ]
    assert left(host) == before
    assert purged(host, "a*@bolt.example", "gone@acme.example") == ["end"]
    assert before - left(host) == {"a*@bolt.example"}


def test_a_host_without_mailu_ends_without_a_last_line(host: Path) -> None:
    command = ["sh", "-c", purge_command(["ann@acme.example"], f"{host}/nowhere")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
