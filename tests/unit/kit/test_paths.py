"""State and caches lie where every user of this machine that needs them can reach them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit import paths


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of its own: system directory, home and a checkout with a space in its path."""
    monkeypatch.delenv("PENGUIN_STATE_DIR", raising=False)
    monkeypatch.delenv("PENGUIN_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(paths, "SYSTEM", tmp_path / "system")
    (tmp_path / "my checkout").mkdir()
    monkeypatch.setattr(paths, "checkout", lambda: tmp_path / "my checkout")
    return tmp_path


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_state_of_root_is_outside_of_the_checkout(
    machine: Path, umask: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    state = paths.state_dir()
    assert state.parent == machine / "system"
    assert (machine / "my checkout" / ".penguin" / "state").resolve() == state
    assert paths.state_dir() == state
    assert paths.cache_dir() == machine / "system" / "cache"
    for place in (state, state.parent, paths.cache_dir()):
        assert stat.S_IMODE(place.stat().st_mode) == 0o755


def test_state_of_a_user_is_in_the_checkout_and_the_cache_in_the_home(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert paths.state_dir() == machine / "my checkout" / ".penguin" / "state"
    assert paths.cache_dir() == machine / "home" / ".cache" / "penguinmails"


def test_state_of_another_user_is_not_used_by_root(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    theirs = paths.state_dir()
    (theirs / "settings.env").touch()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert paths.state_dir().parent == machine / "system"
    assert (theirs / "settings.env").exists()


def test_checkouts_share_the_cache_only(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    state, cache = paths.state_dir(), paths.cache_dir()
    (machine / "other").mkdir()
    monkeypatch.setattr(paths, "checkout", lambda: machine / "other")
    assert paths.state_dir() != state
    assert paths.cache_dir() == cache


def test_state_directory_of_the_environment_takes_precedence(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENGUIN_STATE_DIR", str(machine / "chosen"))
    assert paths.state_dir() == machine / "chosen"
    assert paths.state_dir().is_dir()
