"""The playbooks' own modules: a second run with the same arguments changes nothing."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.playbook_modules import load, run


@pytest.fixture
def rendered_files() -> ModuleType:
    return load("rendered_files")


@pytest.fixture
def running_units() -> ModuleType:
    return load("running_units")


def entry(path: Path, **fields: Any) -> dict[str, Any]:
    defaults = {
        "path": str(path),
        "content": None,
        "link": None,
        "state": "present",
        "owner": pwd.getpwuid(os.getuid()).pw_name,
        "group": grp.getgrgid(os.getgid()).gr_name,
        "mode": "0640",
    }
    return defaults | fields


def test_file_is_written_once_and_again_when_it_differs(
    rendered_files: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "main.cf"
    file = entry(path, content="one\n")

    assert rendered_files.apply(file, False)["after"] == "one\n"
    assert rendered_files.apply(file, False) is None
    path.write_text("touched by hand\n")
    assert rendered_files.apply(file, False)["before"] == "touched by hand\n"
    path.chmod(0o666)
    assert rendered_files.apply(file, False) is not None
    assert path.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["main.cf"]


def test_check_mode_reports_changes_and_makes_none(
    rendered_files: ModuleType, tmp_path: Path
) -> None:
    assert rendered_files.apply(entry(tmp_path / "f", content="x"), True) is not None
    assert rendered_files.apply(entry(tmp_path / "d", state="directory"), True) is not None
    assert rendered_files.apply(entry(tmp_path / "l", link="/dev/null"), True) is not None
    assert list(tmp_path.iterdir()) == []


def test_links_and_directories_are_created_once(rendered_files: ModuleType, tmp_path: Path) -> None:
    link = entry(tmp_path / "localtime", link="/usr/share/zoneinfo/Etc/UTC")
    folder = entry(tmp_path / "a" / "b", state="directory", mode="0700")
    (tmp_path / "localtime").write_text("a file in the way")

    assert rendered_files.apply(link, False) is not None
    assert rendered_files.apply(link, False) is None
    assert rendered_files.apply(folder, False) is not None
    assert rendered_files.apply(folder, False) is None
    assert (tmp_path / "localtime").is_symlink()


def test_link_in_the_place_of_a_directory_is_not_followed(
    rendered_files: ModuleType, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(OSError, match="link"):
        rendered_files.apply(entry(tmp_path / "link", state="directory", mode="0700"), False)
    assert target.stat().st_mode & 0o777 == 0o755


def test_temporary_file_of_a_killed_run_is_removed_by_the_next(
    rendered_files: ModuleType, tmp_path: Path
) -> None:
    for name in (".penguin-abc123", ".penguin-77-tls.pem"):
        (tmp_path / name).write_text("half a private key")
    rendered_files.apply(entry(tmp_path / "tls.pem", content="key\n"), False)
    assert [path.name for path in tmp_path.iterdir()] == ["tls.pem"]

    (tmp_path / ".penguin-abc123").write_text("")
    rendered_files.apply(entry(tmp_path / "localtime", link="/usr/share/zoneinfo/UTC"), False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["localtime", "tls.pem"]


def test_owner_that_only_a_container_knows_is_a_number(
    rendered_files: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "acme.example.mu1.key"
    file = entry(path, content="key\n", owner=str(os.getuid()), group=str(os.getgid()))

    assert rendered_files.apply(file, False) is not None
    assert rendered_files.apply(file, False) is None
    assert (path.stat().st_uid, path.stat().st_gid) == (os.getuid(), os.getgid())


def test_unwanted_entries_are_removed_and_others_stay(
    rendered_files: ModuleType, tmp_path: Path
) -> None:
    for name in ("postfix-egress-mx1-2", "postfix-egress-mx1-3", "postfix-policyd"):
        (tmp_path / name).mkdir()
    rule = {
        "directory": str(tmp_path),
        "pattern": "postfix-egress-*",
        "keep": ["postfix-egress-mx1-2"],
    }

    assert len(rendered_files.prune(rule, False)) == 1
    assert rendered_files.prune(rule, False) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "postfix-egress-mx1-2",
        "postfix-policyd",
    ]


def test_content_of_any_characters_arrives_as_it_is(tmp_path: Path) -> None:
    path, content = tmp_path / "any", '\'\'\'"""\\n\\" é\u2028\x01 {{ x }}\n\\'
    files = [entry(path, content=content)]

    assert run("rendered_files", files=files, prune=[], check=True)["changed"]
    assert not path.exists()
    assert run("rendered_files", files=files, prune=[])["paths"] == [str(path)]
    assert path.read_text() == content
    assert run("rendered_files", files=files, prune=[]) == {
        "changed": False,
        "paths": [],
        "diff": [],
    }


@pytest.mark.parametrize(
    ("fields", "refusal"), [({"sourc": "x"}, "unknown: sourc"), ({"state": "gone"}, "state: gone")]
)
def test_entry_with_an_unknown_field_is_refused(
    tmp_path: Path, fields: dict[str, str], refusal: str
) -> None:
    refused = run("rendered_files", files=[entry(tmp_path / "f", content="x", **fields)], prune=[])
    assert refused["failed"]
    assert refusal in refused["msg"]
    assert list(tmp_path.iterdir()) == []


def test_unit_with_an_unknown_field_is_refused(running_units: ModuleType) -> None:
    with pytest.raises(ValueError, match="unknown: watches"):
        running_units.completed({"names": ["a.service"], "watches": []})


def test_unit_that_does_not_run_has_no_start(running_units: ModuleType) -> None:
    stamp = "Tue 2026-11-24 13:33:44.250000 UTC"

    assert running_units.active_since({"ActiveState": "active", "ActiveEnterTimestamp": stamp}) == (
        pytest.approx(1795527224.25)
    )
    assert running_units.active_since({"ActiveState": "failed", "ActiveEnterTimestamp": stamp}) == 0
    assert running_units.active_since({"ActiveState": "inactive", "ActiveEnterTimestamp": ""}) == 0


@pytest.mark.parametrize(
    ("state", "result", "since"),
    [("inactive", "no", 1795527224.25), ("inactive", "yes", 0), ("failed", "no", 0)],
)
def test_unit_that_cannot_start_here_is_as_it_should_be(
    running_units: ModuleType, state: str, result: str, since: float
) -> None:
    properties = {
        "ActiveState": state,
        "ActiveEnterTimestamp": "",
        "ConditionResult": result,
        "ConditionTimestamp": "Tue 2026-11-24 13:33:44.250000 UTC",
    }
    assert running_units.active_since(properties) == pytest.approx(since)


def test_newest_change_below_a_directory_counts(running_units: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("")
    expected = max(tmp_path.stat().st_ctime, (tmp_path / "main.cf").stat().st_ctime)

    assert running_units.newest_change([str(tmp_path)]) == expected
    assert running_units.newest_change([str(tmp_path / "missing")]) == 0.0


def test_watched_path_may_name_the_instance(running_units: ModuleType) -> None:
    unit = r"postfix@egress\x2dmx1\x2d2.service"

    assert running_units.watched_paths(unit, ["/etc/postfix-{instance}"]) == [
        "/etc/postfix-egress-mx1-2"
    ]
    assert running_units.watched_paths("dovecot.service", ["/etc/dovecot"]) == ["/etc/dovecot"]


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemctl that refuses the verb in `refuses` and says why."""
    (tmp_path / "refuses").touch()
    script = f'[ "$1" != "$(cat {tmp_path}/refuses)" ] || {{ echo "Unit is masked." >&2; exit 1; }}'
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "refuses"


VERBS = ["daemon-reload", "stop", "unmask", "enable", "disable", "restart"]


@pytest.mark.parametrize("verb", VERBS)
def test_refusal_of_systemd_is_shown(running_units: ModuleType, systemd: Path, verb: str) -> None:
    wanted = {"unmask": ["d.service"], "enable": ["a.service"]}
    wanted |= {"end": ["e.timer"], "stop": ["b.service"]}
    running_units.act(**wanted, restart=["c.service"])
    systemd.write_text(verb)
    with pytest.raises(running_units.SystemctlFailed, match="masked"):
        running_units.act(**wanted, restart=["c.service"])


def test_masked_unit_is_unmasked_before_it_starts(
    running_units: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The systemctl of one unit: a restart of a masked one fails, as systemd's does."""
    script = f"""
cd {tmp_path}
case $1 in
  show) echo "UnitFileState=$(cat state)"; echo "ActiveState=$(cat active)"
    echo "ActiveEnterTimestamp=Tue 2026-11-24 13:33:44.250000 UTC" ;;
  unmask) echo disabled > state ;;
  enable) grep -qx disabled state && echo enabled > state ;;
  restart) grep -qx enabled state && echo active > active ;;
esac"""
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "systemctl").chmod(0o755)
    (tmp_path / "state").write_text("masked\n")
    (tmp_path / "active").write_text("inactive\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    units = [{"names": ["postfix.service"], "enabled": True}]

    assert running_units.run(units, [], None, check=True)["changed"]
    assert (tmp_path / "state").read_text() == "masked\n"
    assert running_units.run(units, [], None, check=False)["changed"]
    assert (tmp_path / "active").read_text() == "active\n"
    assert not running_units.run(units, [], None, check=False)["changed"]


@pytest.mark.parametrize("state", ["active", "failed"])
def test_masked_unit_that_must_not_run_is_ended(
    running_units: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """The systemctl of one timer: one that was masked while it was active fails when it elapses."""
    script = f"""
cd {tmp_path}
case $1 in
  show) echo "UnitFileState=masked"; echo "ActiveState=$(cat state)" ;;
  stop) ! grep -qx active state || echo inactive > state ;;
  reset-failed) ! grep -qx failed state || echo inactive > state ;;
esac"""
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "systemctl").chmod(0o755)
    (tmp_path / "state").write_text(f"{state}\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert running_units.run([], ["a.timer"], None, check=True)["changed"]
    assert (tmp_path / "state").read_text() == f"{state}\n"
    assert running_units.run([], ["a.timer"], None, check=False)["stopped"] == ["a.timer"]
    assert not running_units.run([], ["a.timer"], None, check=False)["changed"]


def test_unit_that_failed_too_often_is_started_again(
    running_units: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"""
case $1 in
  reset-failed) [ $# -gt 1 ] && touch {tmp_path}/forgotten ;;
  restart) [ -e {tmp_path}/forgotten ] || {{ echo "repeated too quickly" >&2; exit 1; }}
esac"""
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    running_units.act(unmask=[], enable=["a.service"], end=[], stop=[], restart=[])
    assert not (tmp_path / "forgotten").exists(), "failures of units that are not restarted stay"
    running_units.act(unmask=[], enable=[], end=[], stop=[], restart=["docker.service"])
