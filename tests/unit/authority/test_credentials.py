"""Credentials: random, never in an argument list, and hashed as crypt(3) would."""

from __future__ import annotations

import subprocess

import pytest

from controlplane.authority.credentials import (
    Credential,
    create_credential,
    hash_password,
)
from controlplane.authority.faults import HASH_FAILED
from tests.support.faults import assert_shows, printed


def test_openssl_makes_the_same_hash_from_the_same_salt() -> None:
    hashed = hash_password("correct horse")
    salt = hashed.split("$")[2]

    again = subprocess.run(
        ["openssl", "passwd", "-6", "-salt", salt, "-stdin"],
        input="correct horse\n",
        capture_output=True,
        text=True,
        check=True,
    )

    assert again.stdout.strip() == hashed


def test_two_hashes_of_one_password_differ_by_their_salt() -> None:
    assert hash_password("same") != hash_password("same")


def test_credentials_are_named_after_address_and_tenant_and_never_alike() -> None:
    one, two = create_credential("mx1-2", "acme"), create_credential("mx1-2", "acme")

    assert one.username == "mx1-2.acme"
    assert one.password != two.password
    assert len(one.password) >= 32


def test_no_secret_shows_when_a_credential_is_printed() -> None:
    shown = repr(Credential(username="u", password="hunter2", password_hash="$6$salt$hash"))

    assert "hunter2" not in shown
    assert "$6$" not in shown


def test_the_password_is_in_no_argument_list(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = subprocess.run

    def spy(arguments: list[str], **options: object) -> object:
        seen.extend(arguments)
        return real(arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", spy)
    credential = create_credential("mx1-2", "acme")

    assert seen
    assert credential.password not in " ".join(seen)


def test_a_machine_without_openssl_is_a_typed_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    shown = printed(lambda: hash_password("secret-word"))

    assert_shows(shown, HASH_FAILED)
    assert "secret-word" not in shown
