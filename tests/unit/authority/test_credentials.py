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


def test_hash_is_verified_by_openssl() -> None:
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


def test_hash_of_one_password_differs_by_its_salt() -> None:
    assert hash_password("same") != hash_password("same")


def test_credentials_of_one_address_and_tenant_differ_in_the_password() -> None:
    one, two = create_credential("mx1-2", "acme"), create_credential("mx1-2", "acme")

    assert one.username == "mx1-2.acme"
    assert one.password != two.password
    assert len(one.password) >= 32


def test_credential_secrets_are_not_in_its_repr() -> None:
    shown = repr(Credential(username="u", password="hunter2", password_hash="$6$salt$hash"))

    assert "hunter2" not in shown
    assert "$6$" not in shown


def test_hash_passes_the_password_in_no_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = subprocess.run

    def spy(arguments: list[str], **options: object) -> object:
        seen.extend(arguments)
        return real(arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", spy)
    credential = create_credential("mx1-2", "acme")

    assert seen
    assert credential.password not in " ".join(seen)


def test_hash_without_openssl_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    shown = printed(lambda: hash_password("secret-word"))

    assert_shows(shown, HASH_FAILED)
    assert "secret-word" not in shown
