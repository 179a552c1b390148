"""What a host runs to move the mail of before Mailu into its mailboxes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from controlplane.ansible.faults import MAIL_NOT_MOVED
from controlplane.ansible.moving import move_command, move_mail
from controlplane.reconciler.ports import Login, ObservedHost
from tests.support.faults import fault_shown
from tests.support.waiting import wait_for

ANN, ODD = "ann@acme.example", "o'n$1@acme.example"


class Host:
    """Both directories of Maildirs."""

    def __init__(self, root: Path) -> None:
        self.people, self.mailu = root / "people", root / "mailu"
        (self.mailu / "mail").mkdir(parents=True)

    def put(self, address: str, place: str, content: str = "From: x\n") -> None:
        """Put a mail where the inbound instance would."""
        path = self.people / quote(address, safe="") / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def command(self, *names: str) -> list[str]:
        return ["sh", "-c", move_command(names, str(self.people), str(self.mailu))]

    def moved(self, *names: str) -> list[list[object]]:
        done = subprocess.run(self.command(*names), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        return [json.loads(line) for line in done.stdout.splitlines()]

    def mails(self, address: str) -> dict[str, str]:
        """Return what a mailbox of Mailu has."""
        maildir = self.mailu / "mail" / address
        return {
            str(path.relative_to(maildir)): path.read_text()
            for path in maildir.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_mails_keep_flags_and_folders(host: Host) -> None:
    places = ("new/1.V1.mx1", "cur/2.V1.mx1:2,S", ".Sent/cur/3.V1.mx1:2,RS")
    for place in places:
        host.put(ANN, place, place)
    assert host.moved(ANN) == [[ANN, 3, 3]]
    assert host.mails(ANN) == {place: place for place in places}
    assert not (host.people / quote(ANN)).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given to another account")
def test_mails_belong_to_the_account_that_has_mailus(host: Host) -> None:
    os.chown(host.mailu / "mail", 8, 12)
    host.put(ANN, "new/1.V1.mx1")
    host.moved(ANN)
    maildir = host.mailu / "mail" / ANN
    found = [maildir, *maildir.rglob("*")]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in found} == {(8, 12)}
    assert {path.stat().st_mode & 0o77 for path in found} == {0}


def test_only_the_named_mailboxes_are_moved(host: Host) -> None:
    for address in (ANN, ODD, "a/b@acme.example"):
        host.put(address, "new/1.V1.mx1")
    assert host.moved(ODD, "eve@acme.example") == [[ODD, 1, 1], ["eve@acme.example", 0, 0]]
    left = {path.name for path in host.people.iterdir()}
    assert left == {"ann%40acme.example", "a%2Fb%40acme.example"}


def test_what_mailu_has_stays_beside_it(host: Host) -> None:
    host.put(ANN, "new/1.V1.mx1", "old")
    own = host.mailu / "mail" / ANN / "cur"
    own.mkdir(parents=True)
    (own / "2.M1P1.imap,S=3:2,S").write_text("new")
    assert host.moved(ANN) == [[ANN, 1, 1]]
    assert sorted(host.mails(ANN).values()) == ["new", "old"]


def test_a_mail_of_the_same_name_is_not_replaced_and_is_missed(host: Host) -> None:
    host.put(ANN, "new/1.V1.mx1", "old")
    own = host.mailu / "mail" / ANN / "new"
    own.mkdir(parents=True)
    (own / "1.V1.mx1").write_text("new")
    assert host.moved(ANN) == [[ANN, 1, 0]]
    assert host.mails(ANN) == {"new/1.V1.mx1": "new"}
    assert (host.people / quote(ANN) / "new" / "1.V1.mx1").read_text() == "old"


def test_a_move_that_was_killed_is_continued_without_loss(host: Host) -> None:
    wanted = {f"new/{number}.V1.mx1": str(number) for number in range(5000)}
    for place, content in wanted.items():
        host.put(ANN, place, content)
    killed = subprocess.Popen(host.command(ANN), stdout=subprocess.PIPE, process_group=0)
    wait_for(lambda: (host.mailu / "mail" / ANN / "new").is_dir() and host.mails(ANN) != {})
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()  # until no process of it is left
    before = len(host.mails(ANN))
    assert host.moved(ANN) == [[ANN, 5000 - before, 5000 - before]]
    assert host.mails(ANN) == wanted


@pytest.mark.parametrize(
    ("status", "output", "reason"),
    [
        (0, f'["{ANN}", 812, 811]\n["{ODD}", 1, 1]\n', "of 813 mails 812 were moved"),
        (1, "PermissionError: ann\n", "PermissionError: ann"),
    ],
)
def test_mails_that_were_not_moved_are_a_fault(status: int, output: str, reason: str) -> None:
    host = ObservedHost("mx1", "mx1", 1, ())
    with fault_shown(MAIL_NOT_MOVED, reason=reason):
        move_mail(host, Login("", ""), [ANN, ODD], lambda _: None, lambda *_: (status, output))


def test_nothing_is_left_to_move_by_a_second_run(host: Host) -> None:
    host.put(ANN, "new/1.V1.mx1")
    host.moved(ANN)
    assert host.moved(ANN) == [[ANN, 0, 0]]
    assert len(host.mails(ANN)) == 1
