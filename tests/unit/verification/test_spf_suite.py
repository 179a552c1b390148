"""`check_host` gives the results of the published test suite of RFC 7208, with its alternatives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
import yaml

from controlplane.verification.faults import LOOKUP_FAILED
from controlplane.verification.spf import check_host

SUITE = Path(__file__).parent / "rfc7208-tests.yml"
Zone = dict[str, list[Any]]


def cases() -> Iterator[Any]:
    for scenario in yaml.safe_load_all(SUITE.read_text()):
        zone = {name.lower(): entries for name, entries in scenario["zonedata"].items()}
        for name, case in scenario["tests"].items():
            yield pytest.param(zone, case, id=f"{scenario['description']}: {name}")


def entries_of(zone: Zone, name: str, type_: str) -> Iterator[Any]:
    """The suite's driver serves `SPF` entries as TXT, unless the name has TXT entries."""
    entries = zone.get(name.lower(), [])
    has_text = any("TXT" in entry for entry in entries if isinstance(entry, dict))
    for entry in entries:
        if entry == "TIMEOUT":
            yield "TIMEOUT"
            continue
        [(entered, value)] = entry.items()
        kind = "TXT" if entered == "SPF" and not has_text else entered
        if kind == type_ and value != "NONE":
            yield value


async def look_up(
    zone: Zone, name: str, type_: str, *, aliases: int = 8
) -> Sequence[dns.rdata.Rdata]:
    found: list[dns.rdata.Rdata] = []
    if not aliases:
        raise LOOKUP_FAILED(question=name, reason="loop of aliases")
    for value in entries_of(zone, name, type_):
        if value == "TIMEOUT":
            if not found:
                raise LOOKUP_FAILED(question=name, reason="timeout")
            continue
        found.append(rdata(type_, value))
    for alias in [] if found else entries_of(zone, name, "CNAME"):
        return await look_up(zone, alias, type_, aliases=aliases - 1)
    return found


def rdata(type_: str, value: Any) -> dns.rdata.Rdata:
    match type_:
        case "TXT":
            strings = [value] if isinstance(value, str) else value
            octets = [string.encode() for string in strings] or [b""]
            quoted = ('"' + "".join(f"\\{byte:03}" for byte in part) + '"' for part in octets)
            text = " ".join(quoted)
        case "MX":
            text = f"{value[0]} {value[1]}."
        case "PTR":
            text = f"{value.rstrip('.')}."
        case _:
            text = value
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(type_), text)


@pytest.mark.parametrize(("zone", "case"), list(cases()))
async def test_result_is_one_that_the_suite_allows(zone: Zone, case: dict[str, Any]) -> None:
    sender = case["mailfrom"] or f"postmaster@{case['helo']}"
    domain = sender.rpartition("@")[2]
    checked = await check_host(
        case["host"], domain, sender, helo=case["helo"], lookup=partial(look_up, zone)
    )
    allowed = case["result"]
    assert checked.result in ([allowed] if isinstance(allowed, str) else allowed), checked.reason
