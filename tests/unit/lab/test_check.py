"""What is missing for real hosts is said in one line."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from lab import check


def test_another_system_cannot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert check.missing(tmp_path) == "not Linux"


def test_an_ordinary_user_cannot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert check.missing(tmp_path) == "not root"


def test_absent_commands_are_named_with_their_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(check, "COMMANDS", ("sh", "no-such-command"))
    said = check.missing(tmp_path) or ""
    assert "no-such-command" in said
    assert "sh," not in said
    assert "apt install" in said


def test_a_colon_in_the_path_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(check, "COMMANDS", ())
    assert "colon" in (check.missing(tmp_path / "a:b") or "")
