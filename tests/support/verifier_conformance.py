"""Checks that every verifier must pass: the real one and its test double."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from blueprint.document import Blueprint
from controlplane.reconciler.ports import CloudState, Finding, Login, Verifier
from controlplane.verification.faults import (
    EXPOSED,
    INBOUND_REFUSED,
    MISSING,
    NO_BANNER,
    OPEN_RELAY,
    PTR_DIFFERENT,
    SERVER_FAILED,
    TLS_FAILED,
    UNCLEAR,
)
from controlplane.verification.outbound.faults import OUTBOUND_CLOSED, OUTBOUND_UNREAD
from kit.faults import Code
from tests.support.tenants import rendered, tenant

OURS, MANUAL = "domain/acme.example", "domain/manual.example"
PRIMARY, BULK = "address/mx1-1", "address/mx1-2"
Wrong = set[tuple[str, str, bool | None, Code | None]]


class Surroundings(Protocol):
    """A verifier, and ways to break the names and ports that it checks.

    The names and ports are those of `blueprint` and `state`, and correct until they are changed.
    """

    verifier: Verifier
    blueprint: Blueprint
    state: CloudState
    authority: str
    logins: Mapping[str, Login]

    def lose_record(self, domain: str) -> None:
        """Delete the MX record of a domain."""

    def lose_reverse_name(self, address: str) -> None:
        """Delete the reverse name of an address."""

    def silence_name_servers(self) -> None:
        """Stop all name servers from answering."""

    def break_tls(self, address: str) -> None:
        """Remove the certificate of the submission port of an address."""

    def open_relay(self, address: str) -> None:
        """Make the submission port of an address an open relay."""

    def defer(self, address: str) -> None:
        """Make the submission port of an address defer every recipient."""

    def refuse_mail(self, domain: str) -> None:
        """Make the host refuse mail for the abuse desk of a domain."""

    def close_outbound(self, address: str) -> None:
        """Close outbound port 25 for an address."""

    def open_port(self, address: str) -> None:
        """Open a port of an address that its host's list does not have."""

    def stop_host(self) -> None:
        """Make the host unreachable."""


def one_host() -> Blueprint:
    """Render a tenant with two addresses, and a domain with manual DNS."""
    text = tenant("mx1@acme.example*2", domains="acme.example manual.example")
    text += "  mailboxes: [{address: sales@manual.example}]"
    return rendered(text.replace("{name: manual", "{dns: manual, name: manual"))


async def check_all_is_right_and_every_subject_is_checked(around: Surroundings) -> None:
    assert await _wrong_names(around) == set()
    assert await _wrong_ports(around) == set()
    names = await around.verifier.verify_dns(around.blueprint, around.state)
    assert _checks(names) == {
        OURS: {"dns.authoritative", "dns.recursive"},
        MANUAL: {"dns.manual", "dns.authoritative", "dns.recursive"},
        PRIMARY: {"dns.authoritative", "dns.recursive", "fcrdns"},
        BULK: {"dns.authoritative", "dns.recursive", "fcrdns"},
    }
    assert _checks(await _ports(around)) == {
        OURS: {"smtp.inbound"},
        MANUAL: {"smtp.inbound"},
        PRIMARY: {"smtp.banner", "smtp.relay", "smtp.outbound", "ports"},
        BULK: {"smtp.banner", "smtp.tls", "smtp.auth", "smtp.relay", "smtp.outbound", "ports"},
    }


async def check_a_lost_record_is_missing_at_its_zone_only(around: Surroundings) -> None:
    around.lose_record("acme.example")
    assert await _wrong_names(around) == {(OURS, "dns.authoritative", False, MISSING)}


async def check_a_lost_manual_record_is_missing_for_its_owner(around: Surroundings) -> None:
    around.lose_record("manual.example")
    assert await _wrong_names(around) == {(MANUAL, "dns.manual", False, MISSING)}


async def check_a_lost_reverse_name_is_reported_of_its_address(around: Surroundings) -> None:
    around.lose_reverse_name("mx1-2")
    assert await _wrong_names(around) == {(BULK, "fcrdns", False, PTR_DIFFERENT)}


async def check_silent_name_servers_leave_everything_unknown(around: Surroundings) -> None:
    around.silence_name_servers()
    wrong = await _wrong_names(around)
    assert {subject for subject, *_ in wrong} == {OURS, MANUAL, PRIMARY, BULK}
    assert {(ok, code) for _, _, ok, code in wrong} == {(None, SERVER_FAILED)}


async def check_broken_tls_is_reported_of_its_address_only(around: Surroundings) -> None:
    around.break_tls("mx1-2")
    assert await _wrong_ports(around) == {(BULK, "smtp.tls", False, TLS_FAILED)}
    checks = _checks(await _ports(around))
    remaining = {"smtp.banner", "smtp.tls", "smtp.outbound", "ports"}
    assert checks[BULK] == remaining, "later checks are skipped"


async def check_an_open_relay_is_reported(around: Surroundings) -> None:
    around.open_relay("mx1-2")
    assert await _wrong_ports(around) == {(BULK, "smtp.relay", False, OPEN_RELAY)}


async def check_a_temporary_reply_is_unknown(around: Surroundings) -> None:
    around.defer("mx1-2")
    assert await _wrong_ports(around) == {(BULK, "smtp.relay", None, UNCLEAR)}


async def check_mail_that_is_refused_is_reported_of_its_domain_only(around: Surroundings) -> None:
    around.refuse_mail("manual.example")
    assert await _wrong_ports(around) == {(MANUAL, "smtp.inbound", False, INBOUND_REFUSED)}


async def check_a_host_that_does_not_answer_is_wrong_at_each_address(around: Surroundings) -> None:
    around.stop_host()
    assert await _wrong_ports(around) == {
        (PRIMARY, "smtp.banner", False, NO_BANNER),
        (BULK, "smtp.banner", False, NO_BANNER),
        (PRIMARY, "smtp.outbound", None, OUTBOUND_UNREAD),
        (BULK, "smtp.outbound", None, OUTBOUND_UNREAD),
    }


async def check_outbound_port_25_that_is_closed_is_reported_of_its_address_only(
    around: Surroundings,
) -> None:
    around.close_outbound("mx1-2")
    assert await _wrong_ports(around) == {(BULK, "smtp.outbound", False, OUTBOUND_CLOSED)}


async def check_a_port_that_is_not_in_the_list_is_a_remark_of_its_address(
    around: Surroundings,
) -> None:
    around.open_port("mx1-1")
    findings = await _ports(around)
    assert _wrong(findings) == set()
    [remark] = [finding for finding in findings if finding.code is not None]
    assert (remark.subject, remark.check, remark.code) == (PRIMARY, "ports", EXPOSED)
    assert remark.asks


async def check_an_address_without_an_ip_is_not_checked(around: Surroundings) -> None:
    [host] = around.state.hosts
    primary, bulk = host.addresses
    waiting = replace(host, addresses=(primary, replace(bulk, ip=None)))
    around.state = replace(around.state, hosts=(waiting,))
    names = await around.verifier.verify_dns(around.blueprint, around.state)
    assert "fcrdns" not in _checks(names).get(BULK, set())
    assert BULK not in _checks(await _ports(around))


CHECKS: list[Callable[[Surroundings], Awaitable[None]]] = [
    check_all_is_right_and_every_subject_is_checked,
    check_a_lost_record_is_missing_at_its_zone_only,
    check_a_lost_manual_record_is_missing_for_its_owner,
    check_a_lost_reverse_name_is_reported_of_its_address,
    check_silent_name_servers_leave_everything_unknown,
    check_broken_tls_is_reported_of_its_address_only,
    check_an_open_relay_is_reported,
    check_a_temporary_reply_is_unknown,
    check_mail_that_is_refused_is_reported_of_its_domain_only,
    check_a_host_that_does_not_answer_is_wrong_at_each_address,
    check_outbound_port_25_that_is_closed_is_reported_of_its_address_only,
    check_a_port_that_is_not_in_the_list_is_a_remark_of_its_address,
    check_an_address_without_an_ip_is_not_checked,
]


async def _ports(around: Surroundings) -> list[Finding]:
    findings = await around.verifier.verify_hosts(
        around.blueprint,
        around.state,
        authority=around.authority,
        logins=around.logins,
        unchanged_for=timedelta.max,
    )
    return list(findings)


async def _wrong_ports(around: Surroundings) -> Wrong:
    return _wrong(await _ports(around))


async def _wrong_names(around: Surroundings) -> Wrong:
    return _wrong(list(await around.verifier.verify_dns(around.blueprint, around.state)))


def _wrong(findings: list[Finding]) -> Wrong:
    wrong = [finding for finding in findings if finding.ok is not True]
    assert all(finding.code and finding.message and finding.remedy for finding in wrong)
    return {(finding.subject, finding.check, finding.ok, finding.code) for finding in wrong}


def _checks(findings: Iterable[Finding]) -> dict[str, set[str]]:
    checks: dict[str, set[str]] = defaultdict(set)
    for finding in findings:
        checks[finding.subject].add(finding.check)
    return dict(checks)
