"""Passwords of the stand-in for Mailu's admin."""

from __future__ import annotations

import pytest

from lab.mailu.admin.passwords import LONGEST, Passwords


def test_only_the_right_password_matches_before_and_after_it_did() -> None:
    passwords = Passwords(rounds=1)
    stored = passwords.hashed("right")
    for password in ("wrong", "right", "wrong", "right"):
        assert passwords.matches(password, stored) is (password == "right")


def test_an_empty_password_never_matches() -> None:
    passwords = Passwords(rounds=1)
    assert not passwords.matches("", passwords.hashed(""))


def test_a_hash_says_its_rounds_and_is_verified_by_them() -> None:
    stored = Passwords(rounds=2).hashed("right")
    assert "r=2$" in stored
    assert Passwords(rounds=1).matches("right", stored)
    assert not Passwords(rounds=1).matches("right", stored.replace("r=2$", "r=3$"))


def test_equal_passwords_have_different_hashes() -> None:
    passwords = Passwords(rounds=1)
    assert passwords.hashed("right") != passwords.hashed("right")


def test_a_password_that_is_too_long_is_an_error() -> None:
    with pytest.raises(ValueError, match="long"):
        Passwords(rounds=1).hashed("x" * (LONGEST + 1))
