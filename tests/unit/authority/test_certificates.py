"""The CA's certificates as openssl, not our own library, sees them."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controlplane.authority.certificates import (
    CLOCK_SKEW,
    LEAF_LIFETIME,
    RENEW_BEFORE,
    create_ca,
    issue,
    needs_renewal,
)

HELO = "out2.mx1.acme.example"


def openssl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


def test_leaf_is_verified_by_openssl_for_its_own_name_only(tmp_path: Path, now: datetime) -> None:
    ca = create_ca("acme", now=now)
    leaf = issue(ca, HELO, now=now)
    (tmp_path / "ca.pem").write_text(ca.certificate)
    (tmp_path / "leaf.pem").write_text(leaf.certificate)
    common = [
        "verify",
        "-x509_strict",
        "-purpose",
        "sslserver",
        "-CAfile",
        str(tmp_path / "ca.pem"),
    ]

    right = openssl(*common, "-verify_hostname", HELO, str(tmp_path / "leaf.pem"))
    wrong = openssl(*common, "-verify_hostname", "mx1.acme.example", str(tmp_path / "leaf.pem"))

    assert right.returncode == 0, right.stderr
    assert wrong.returncode != 0


def test_leaf_of_another_authority_is_refused(tmp_path: Path, now: datetime) -> None:
    leaf = issue(create_ca("other", now=now), HELO, now=now)
    (tmp_path / "ca.pem").write_text(create_ca("acme", now=now).certificate)
    (tmp_path / "leaf.pem").write_text(leaf.certificate)

    done = openssl("verify", "-CAfile", str(tmp_path / "ca.pem"), str(tmp_path / "leaf.pem"))

    assert done.returncode != 0


def test_leaf_has_the_key_of_its_certificate(tmp_path: Path, now: datetime) -> None:
    leaf = issue(create_ca("acme", now=now), HELO, now=now)
    (tmp_path / "leaf.pem").write_text(leaf.certificate)
    (tmp_path / "key.pem").write_text(leaf.private_key)

    of_certificate = openssl("x509", "-in", str(tmp_path / "leaf.pem"), "-noout", "-pubkey")
    of_key = openssl("pkey", "-in", str(tmp_path / "key.pem"), "-pubout")

    assert of_certificate.stdout == of_key.stdout != ""
    assert (
        "prime256v1" in openssl("pkey", "-in", str(tmp_path / "key.pem"), "-noout", "-text").stdout
    )


def test_leaf_with_a_name_beyond_the_common_name_has_it_in_the_san(
    tmp_path: Path, now: datetime
) -> None:
    name = "a" * 60 + ".very-long-host.acme.example"
    ca = create_ca("acme", now=now)
    (tmp_path / "ca.pem").write_text(ca.certificate)
    (tmp_path / "leaf.pem").write_text(issue(ca, name, now=now).certificate)

    done = openssl(
        "verify",
        "-CAfile",
        str(tmp_path / "ca.pem"),
        "-verify_hostname",
        name,
        str(tmp_path / "leaf.pem"),
    )

    assert done.returncode == 0, done.stderr


def test_renewal_is_due_60_days_before_expiry(now: datetime) -> None:
    leaf = issue(create_ca("acme", now=now), HELO, now=now).certificate
    end = now + LEAF_LIFETIME

    assert not needs_renewal(leaf, now=now)
    assert not needs_renewal(leaf, now=end - RENEW_BEFORE - timedelta(days=1))
    assert needs_renewal(leaf, now=end - RENEW_BEFORE + CLOCK_SKEW)
    assert needs_renewal(leaf, now=end + timedelta(days=1))


def test_issued_key_is_not_in_its_repr(now: datetime) -> None:
    ca = create_ca("acme", now=now)

    assert "PRIVATE KEY" not in repr(ca)
