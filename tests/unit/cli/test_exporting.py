"""`penguin apply --export` copies what a host that loses Mailu destroys, and names the number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from blueprint.loading import parse
from blueprint.render import render
from cli import exporting
from cli.exporting import Copied, copy_mailbox
from cli.faults import NOT_EXPORTED, UNWRITABLE, USAGE
from controlplane.mailboxes.schemas import SETTINGS, SettingsView
from controlplane.tenants.schemas import EXAMPLE_RESPONSE
from tests.support.closed_port import closed_port
from tests.support.faults import assert_shows, fault_shown
from tests.support.installation import PLATFORM
from tests.support.recording_api import RecordingApi
from tests.support.tenants import tenant

ANN, BOB = "ann@acme.example", "bob@acme.example"
WITHOUT = yaml.safe_load(
    tenant("mx1@acme.example", domains="acme.example")
    + f"  mailboxes: [{{address: {ANN}}}, {{address: {BOB}}}]\n"
)
WITH = yaml.safe_load(json.dumps(WITHOUT).replace('"none"', '"mailu"'))


class Plane(RecordingApi):
    """A control plane whose tenant has Mailu, and what was asked of it."""

    def __init__(self) -> None:
        super().__init__(self._document)
        self.asked: list[str] = []

    def _document(self, method: str, path: str, body: dict[str, Any]) -> object:
        self.asked.append(f"{method} {path.replace('%40', '@')}")
        if path == "/blueprints":
            made = render(
                parse(body, platform=PLATFORM), platform=PLATFORM, keys=None, generation=1
            )
            return made.model_dump(mode="json", by_alias=True)
        if path.endswith("/settings"):
            return SETTINGS
        if method == "POST":
            return {**body, "token": "secret"}
        return EXAMPLE_RESPONSE | {"document": WITH}


@pytest.fixture
def plane(configured: None, monkeypatch: pytest.MonkeyPatch) -> Plane:
    def copied(settings: SettingsView, token: str, maildir: Path) -> Copied:
        assert (settings.imap_port, token) == (993, "secret")
        return Copied(3 if maildir.name == ANN else 0, 1000)

    monkeypatch.setattr(exporting, "copy_mailbox", copied)
    return Plane()


def file(directory: Path, document: object) -> str:
    path = directory / "acme.yaml"
    path.write_text(yaml.safe_dump(document))
    return str(path)


def test_what_was_copied_is_counted_and_may_be_destroyed(
    plane: Plane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "mail"
    assert plane.penguin("apply", "-f", file(tmp_path, WITHOUT), "--export", str(to)) == 0
    assert (plane.path, plane.query) == ("/tenants/acme", {"discard": "3"})
    assert json.loads((to / "manifest.json").read_text()) == {
        "tenant": "acme",
        "mails": 3,
        "mailboxes": {ANN: {"mails": 3, "bytes": 1000}, BOB: {"mails": 0, "bytes": 1000}},
    }
    assert f"3 mail(s) copied to {to}" in "".join(capsys.readouterr())
    revoked = [each for each in plane.asked if each.startswith("DELETE")]
    assert len(revoked) == 2


def test_nothing_is_copied_where_the_host_keeps_mailu(plane: Plane, tmp_path: Path) -> None:
    to = tmp_path / "mail"
    assert plane.penguin("apply", "-f", file(tmp_path, WITH), "--export", str(to)) == 0
    assert plane.query == {}
    assert not to.exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [("", "it is not empty"), ("acme.yaml", "File exists"), ("acme.yaml/x", "Not a directory")],
)
def test_what_is_no_empty_directory_is_left_alone(
    plane: Plane, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, reason: str
) -> None:
    given = file(tmp_path, WITHOUT)
    assert plane.penguin("apply", "-f", given, "--export", str(tmp_path / name)) == 1
    assert_shows(capsys.readouterr().err, UNWRITABLE, reason=reason)
    assert [path.name for path in tmp_path.iterdir()] == ["acme.yaml"]
    assert not [each for each in plane.asked if each.startswith("PUT")]


@pytest.mark.parametrize("how", ["client", "server"])
def test_dry_run_that_should_copy_is_refused(
    plane: Plane, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    given, to = file(tmp_path, WITHOUT), tmp_path / "mail"
    assert plane.penguin("apply", "-f", given, "--dry-run", how, "--export", str(to)) == 1
    mistake, remedy = "a dry run copies no mail", "leave out --export"
    assert_shows(capsys.readouterr().err, USAGE, mistake=mistake, remedy=remedy)
    assert not to.exists()


@pytest.mark.parametrize("number", ["-1", "many", "1.5"])
def test_number_that_is_none_is_refused(
    plane: Plane, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: str
) -> None:
    given = file(tmp_path, WITHOUT)
    assert plane.penguin("apply", "-f", given, "--discard", number) == 1
    mistake = f'--discard cannot be "{number}"'
    assert_shows(capsys.readouterr().err, USAGE, mistake=mistake, remedy=...)
    assert plane.asked == []


def test_the_number_is_named_by_one_option_only(
    plane: Plane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = file(tmp_path, WITHOUT)
    assert plane.penguin("apply", "-f", given, "--discard", "5") == 0
    assert plane.query == {"discard": "5"}
    capsys.readouterr()
    to = str(tmp_path / "mail")
    assert plane.penguin("apply", "-f", given, "--discard", "5", "--export", to) != 0
    assert_shows(capsys.readouterr().err, USAGE, mistake=..., remedy=...)


def test_a_host_that_is_not_reached_is_named() -> None:
    with closed_port() as port, fault_shown(NOT_EXPORTED, address=ANN, reason=...):
        settings = SettingsView(
            **SETTINGS | {"user": ANN, "imap_host": "127.0.0.1", "imap_port": port}
        )
        copy_mailbox(settings, "secret", Path("/nowhere"))
