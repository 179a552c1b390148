"""Mistakes in a document are printed by every command that reads it with `-f`."""

from __future__ import annotations

from pathlib import Path

import pytest

from blueprint import faults
from cli import files
from kit.faults import Code
from kit.paths import checkout
from tests.support.faults import assert_shows, printed

ACME = (checkout() / "tenants" / "acme.yaml").read_text()
HOST = "    - {name: mx1, size: business, addresses: 3, zone: acme.example}\n"
ELEVEN_HOSTS = "".join(HOST.replace("mx1", f"mx{n}") for n in range(11))
LABELS = ".".join(["a" * 40] * 4)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENGUIN_STATE_DIR", str(tmp_path / "state"))


CAP, SALES, OTHER = "daily_cap: 50", "sales@acme.example", "a@other.example"
SYSTEM, DETAIL = "penguinmails@acme.example", "penguinmails+x@acme.example"


def twice(address: str) -> dict[str, object]:
    return {"kind": "address", "name": address}


@pytest.mark.parametrize(
    ("old", "new", "code", "values"),
    [
        ("us-west", "'us-west", faults.SYNTAX, {}),
        ("plan:", "<<: {}\n  plan:", faults.UNSUPPORTED, {}),
        ("region: us-west", "region:", faults.NO_VALUE, {}),
        (ACME, "# a comment\n", faults.EMPTY, {}),
        ("  plan:", "  plan: starter\n  plan:", faults.DUPLICATE_KEY, {}),
        ("plan:", "plam:", faults.UNKNOWN_KEY, {}),
        ("  region: us-west\n", "", faults.MISSING_KEY, {}),
        ("plan: business", "plan: gold", faults.INVALID_VALUE, {}),
        ("name: acme}", "name: customers}", faults.RESERVED_NAME, {}),
        ("region: us-west", "region: mars", faults.UNKNOWN_REGION, {}),
        ("warmup: standard", "timezone: Europe/Atlantis", faults.UNKNOWN_TIMEZONE, {}),
        (HOST, ELEVEN_HOSTS, faults.TOO_MANY_HOSTS, {}),
        ("zone: acme.example", "zone: x.example", faults.FOREIGN_ZONE, {}),
        ("acme-mail.example", "penguinmails.example", faults.PLATFORM_DOMAIN, {}),
        ("sales@acme.example", "sales@other.example", faults.FOREIGN_MAILBOX, {}),
        ("sales@acme.example", SYSTEM, faults.RESERVED_NAME, {"name": SYSTEM}),
        (CAP, f"{CAP}, aliases: [{DETAIL}]", faults.RESERVED_NAME, {"name": DETAIL}),
        (CAP, f"{CAP}, aliases: [{OTHER}]", faults.FOREIGN_MAILBOX, {"address": OTHER}),
        (CAP, f"{CAP}, aliases: [{SALES}]", faults.DUPLICATE, twice(SALES)),
        (
            CAP,
            f"{CAP}, aliases: [s@acme.example, S@acme.example]",
            faults.DUPLICATE,
            twice("s@acme.example"),
        ),
        ("dmarc: none", "catch_all: all@acme.example", faults.UNDECLARED_CATCH_ALL, {}),
        (HOST, HOST + HOST, faults.DUPLICATE, {}),
        ("acme-mail.example", "b.acme.example", faults.NAME_COLLISION, {}),
    ],
    ids=lambda value: str(value) if isinstance(value, Code) else "",
)
def test_violation_of_a_document_is_printed(
    tmp_path: Path, old: str, new: str, code: Code, values: dict[str, object]
) -> None:
    assert old in ACME
    file = tmp_path / "acme.yaml"
    file.write_text(ACME.replace(old, new, 1))
    assert_shows(printed(lambda: files.read([str(file)])), code, **values)


def test_domain_that_makes_a_name_too_long_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENGUIN_PLATFORM__ZONE", "mail.of.a.platform.with.a.long.name.example")
    file = tmp_path / "acme.yaml"
    file.write_text(ACME.replace("acme-mail.example", f"{LABELS}.{'b' * 28}.example"))
    assert_shows(printed(lambda: files.read([str(file)])), faults.NAME_TOO_LONG, name=...)
