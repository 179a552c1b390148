"""The name servers of the lab do what the world's do: late, absent, lame, cached, signed, bogus."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from functools import partial

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.reversename
import httpx2
import pytest

from controlplane.verification import faults
from controlplane.verification.names import Names, texts
from controlplane.verification.queries import Answer
from kit.faults import Code, Fault
from lab.nameserver.guest import SERVERS
from lab.running import RunningLab
from tests.support.command_line import run
from tests.support.waiting import SECONDS, wait_for

pytestmark = pytest.mark.hosts

FIRST, SECOND = SERVERS.values()
TEXT = "x" * 250


class Zone:
    """A delegated zone of the account with a long answer, and the switches of name servers."""

    def __init__(self, lab: RunningLab) -> None:
        self.name = f"t{secrets.token_hex(3)}.example"
        self.resolver = str(lab.resolver)
        headers = {"Authorization": f"Bearer {lab.cloudflare_token}"}
        self._http = httpx2.Client(base_url=lab.cloudflare_url, headers=headers, timeout=SECONDS)
        self._http.post("/_lab/zones", json={"name": self.name}).raise_for_status()
        zones = self._http.get("/client/v4/zones", params={"name": self.name}).json()
        [self.api] = zones["result"]
        for number in range(6):
            self.add(f"long.{self.name}", "TXT", f'"{number}{TEXT}"')

    def add(self, name: str, kind: str, content: str) -> None:
        body = {"name": name, "type": kind, "content": content, "ttl": 60}
        url = f"/client/v4/zones/{self.api['id']}/dns_records"
        self._http.post(url, json=body).raise_for_status()

    def switch(self, fault: str, *options: str) -> None:
        assert run("lab", "fault", "dns", fault, *options) == 0

    def trouble(self, fault: str, *options: str) -> None:
        """Switch a trouble of this zone."""
        self.switch(fault, "--zone", self.name, *options)

    def ask(
        self,
        server: str,
        name: str,
        kind: str,
        flags: int = dns.flags.RD,
        timeout: float = SECONDS,
    ) -> dns.message.Message:
        query = dns.message.make_query(name, kind, use_edns=True, payload=1232, flags=flags)
        return dns.query.udp(query, server, timeout=timeout)

    def names(self) -> Names:
        """Look up as the control plane does."""
        return Names(self.resolver, timeout=5)

    def close(self) -> None:
        self.switch("clear")
        assert self._http.get("/_lab/dns").json() == []
        self._http.close()


@pytest.fixture
def zone(lab: RunningLab) -> Iterator[Zone]:
    zone = Zone(lab)
    yield zone
    zone.close()


def own(zone: Zone) -> dict[str, Answer]:
    answers = asyncio.run(zone.names().authoritative(zone.name, f"long.{zone.name}", "TXT"))
    return {server.ip: answer for server, answer in answers.items()}


def troubles(zone: Zone) -> set[Code]:
    async def look() -> set[Code]:
        names = zone.names()
        await names.authoritative(zone.name, f"long.{zone.name}", "TXT")
        return {fault.code for fault in await names.troubles(zone.name)}

    return asyncio.run(look())


def refusal(zone: Zone, name: str, kind: str) -> Code:
    with pytest.raises(Fault) as caught:
        asyncio.run(zone.names().recursive(name, kind))
    return caught.value.code


def test_api_parent_and_apex_have_the_same_two_servers(zone) -> None:
    assert set(zone.api["name_servers"]) == set(SERVERS)
    for ip in SERVERS.values():
        apex = zone.ask(ip, zone.name, "NS", 0)
        assert set(texts(list(apex.answer[0]))) == set(SERVERS)
    assert set(own(zone)) == set(SERVERS.values())
    assert troubles(zone) == set()


def test_change_of_a_zone_that_lags_is_served_later(zone) -> None:
    zone.trouble("lag", "--seconds", "2")
    zone.add(f"late.{zone.name}", "A", "198.18.1.1")
    assert zone.ask(FIRST, f"late.{zone.name}", "A", 0).rcode() == dns.rcode.NXDOMAIN
    wait_for(lambda: bool(zone.ask(SECOND, f"late.{zone.name}", "A", 0).answer))


def test_change_that_is_late_is_served_at_once_when_the_lag_ends(zone) -> None:
    zone.trouble("lag", "--seconds", "600")
    zone.add(f"late.{zone.name}", "A", "198.18.1.1")
    assert zone.ask(FIRST, f"late.{zone.name}", "A", 0).rcode() == dns.rcode.NXDOMAIN
    zone.switch("clear")
    assert zone.ask(FIRST, f"late.{zone.name}", "A", 0).answer


def test_resolver_that_keeps_answers_keeps_a_denial_for_half_an_hour(zone) -> None:
    zone.switch("caches")
    denied = zone.ask(zone.resolver, f"new.{zone.name}", "A")
    assert denied.rcode() == dns.rcode.NXDOMAIN
    assert 1700 < denied.authority[0].ttl <= 1800
    zone.add(f"new.{zone.name}", "A", "198.18.1.1")
    assert zone.ask(FIRST, f"new.{zone.name}", "A", 0).answer
    assert zone.ask(zone.resolver, f"new.{zone.name}", "A").rcode() == dns.rcode.NXDOMAIN
    answer = asyncio.run(zone.names().recursive(f"new.{zone.name}", "A"))
    assert answer.data == ()
    assert 1700 < answer.ttl <= 1800


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("dead", faults.NO_ANSWER),
        ("lame", faults.REFUSED),
        ("nameless", faults.NO_ADDRESS),
        ("no_tcp", faults.TCP_CLOSED),
    ],
)
def test_trouble_of_servers_is_named_by_the_control_plane(zone, fault, code) -> None:
    zone.trouble(fault)
    wait_for(lambda: found(zone) == {code})
    wait_for(lambda: resolves(zone))


def resolves(zone: Zone) -> bool:
    """Return whether the resolver answers; it may have tried a dead server first."""
    try:
        answer = zone.ask(zone.resolver, f"long.{zone.name}", "NS", timeout=5)
    except dns.exception.Timeout:
        return False
    return answer.rcode() == dns.rcode.NOERROR


def found(zone: Zone) -> set[Code]:
    """Return the troubles of a zone, whether others answer or not."""
    try:
        return troubles(zone)
    except Fault as fault:
        return {fault.code}


def test_zone_that_is_lost_fails_and_a_missing_name_is_denied(zone) -> None:
    zone.trouble("servfail")
    assert zone.ask(FIRST, zone.name, "SOA", 0).rcode() == dns.rcode.SERVFAIL
    assert refusal(zone, f"other.{zone.name}", "A") is faults.SERVER_FAILED
    assert zone.ask(zone.resolver, "none.example", "A").rcode() == dns.rcode.NXDOMAIN
    assert found(zone) == {faults.SERVER_FAILED}


def test_signed_zones_validate_from_the_root(zone, lab) -> None:
    assert lab.trust_anchor.startswith(". IN DS ")
    zone.trouble("signed")
    wait_for(lambda: bool(zone.ask(zone.resolver, zone.name, "SOA", RD_AD).flags & dns.flags.AD))
    for name in (".", "example.org"):
        assert zone.ask(zone.resolver, name, "SOA", RD_AD).flags & dns.flags.AD
    address = zone.ask(zone.resolver, "example.org", "A", RD_AD)
    assert address.answer
    assert address.flags & dns.flags.AD
    zone.add(f"more.{zone.name}", "A", "198.18.1.1")
    answer = zone.ask(zone.resolver, f"more.{zone.name}", "A", RD_AD)
    assert answer.answer
    assert answer.flags & dns.flags.AD


RD_AD = dns.flags.RD | dns.flags.AD


def test_ds_that_fits_no_key_fails_where_it_is_validated(zone) -> None:
    zone.trouble("bogus")
    wait_for(lambda: zone.ask(zone.resolver, zone.name, "SOA").rcode() == dns.rcode.SERVFAIL)
    assert zone.ask(zone.resolver, zone.name, "SOA", dns.flags.RD | dns.flags.CD).answer
    assert set(own(zone)) == set(SERVERS.values())
    assert refusal(zone, f"long.{zone.name}", "TXT") is faults.BOGUS


def test_reverse_name_behind_an_alias_is_the_servers(zone, customer) -> None:
    """RFC 2317."""
    zone.switch("alias_pointers")
    server = customer.order(f"lab-{secrets.token_hex(3)}")
    owner = dns.reversename.from_address(server.address)
    kinds = {rrset.rdtype for rrset in zone.ask(zone.resolver, str(owner), "PTR").answer}
    assert kinds == {dns.rdatatype.CNAME, dns.rdatatype.PTR}
    for switch in ("alias_pointers", "clear", "alias_pointers"):
        zone.switch(switch)
        helo = f"{secrets.token_hex(3)}.{zone.name}"
        customer.call("set_rdns", serviceid=server.service_id, ip=server.address, rdns=helo)
        wait_for(partial(has_pointer, zone, server.address, helo))


def has_pointer(zone: Zone, address: str, name: str) -> bool:
    """Return whether the control plane finds this reverse name, and no other."""
    return asyncio.run(zone.names().pointer(address)) == {name}


def test_zone_whose_delegation_ends_does_not_exist(zone) -> None:
    zone.trouble("undelegated")

    def code() -> Code | None:
        try:
            own(zone)
        except Fault as fault:
            return fault.code
        return None

    wait_for(lambda: code() is faults.NOT_DELEGATED)
    assert zone.ask(FIRST, zone.name, "SOA", 0).answer
