"""State and caches are where every user of this machine that needs them can reach them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kit.paths import Layout


@pytest.fixture
def root(tmp_path: Path) -> Layout:
    """Root's layout on a separate machine, for a checkout with a space in its path."""
    (tmp_path / "my checkout").mkdir()
    return Layout(
        tmp_path / "my checkout",
        is_root=True,
        environment={"HOME": str(tmp_path / "home")},
        system=tmp_path / "system",
    )


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_state_of_root_is_apart_from_the_checkout_and_readable(root: Layout, umask: None) -> None:
    state = root.state_dir()
    assert state.parent == root.system
    assert (root.checkout / ".penguin" / "state").resolve() == state
    assert root.state_dir() == state
    assert root.cache_dir() == root.system / "cache"
    for directory in (state, state.parent, root.cache_dir()):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o755


def test_state_of_other_users_is_in_the_checkout_and_their_cache_at_home(
    root: Layout, tmp_path: Path
) -> None:
    user = replace(root, is_root=False)
    assert user.state_dir() == root.checkout / ".penguin" / "state"
    assert user.cache_dir() == tmp_path / "home" / ".cache" / "penguinmails"


def test_state_of_another_user_is_left_alone_by_root(root: Layout) -> None:
    theirs = replace(root, is_root=False).state_dir()
    (theirs / "settings.env").touch()
    assert root.state_dir().parent == root.system
    assert (theirs / "settings.env").exists()


def test_two_checkouts_share_the_cache_only(root: Layout, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = replace(root, checkout=tmp_path / "other")
    assert other.state_dir() != root.state_dir()
    assert other.cache_dir() == root.cache_dir()


@pytest.mark.parametrize("is_root", [True, False])
def test_state_directory_that_was_chosen_is_taken_and_made(
    root: Layout, tmp_path: Path, is_root: bool
) -> None:
    chosen = {"PENGUIN_STATE_DIR": str(tmp_path / "chosen")}
    layout = replace(root, is_root=is_root, environment=chosen)
    assert layout.state_dir() == tmp_path / "chosen"
    assert layout.state_dir().is_dir()
