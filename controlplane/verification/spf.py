"""`check_host` of RFC 7208: whether a domain lets an address send its mail.

Only the text of an explanation (`exp=`) is not fetched: nothing here needs it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

import dns.exception
import dns.name
import dns.rdata
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.PTR
import dns.rdtypes.ANY.TXT
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import dns.reversename

from controlplane.verification.spf_record import (
    Mechanism,
    SyntaxMistake,
    expand,
    is_spf,
    parse,
    uses_macro,
)
from kit.faults import Fault

LOOKUPS = 10
"""Terms of one evaluation that query the DNS (4.6.4)."""
VOID_LOOKUPS = 2
"""Queries of one evaluation that may return nothing (4.6.4)."""
NAMES = 10
"""Exchanges of an `mx`, and reverse names of an address, that are looked up (4.6.4)."""

Lookup = Callable[[str, str], Awaitable[Sequence[dns.rdata.Rdata]]]
"""Name and type → the data at the end of the aliases, empty where there is none. Raises a fault
where there is no definite answer."""


class Result(StrEnum):
    """Section 2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - the RFC's word
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True)
class Checked:
    """The result, and the term or the mistake that decided it."""

    result: Result
    reason: str = ""
    unanswered: Fault | None = None
    """Of a temperror: why a look-up got no definite answer."""


class _Permanent(Exception):
    """The evaluation ends with permerror; the message is the mistake."""


async def check_host(ip: str, domain: str, sender: str, *, helo: str, lookup: Lookup) -> Checked:
    """Evaluate the SPF record of `domain` for mail from `ip`; `sender` is the envelope sender."""
    address = ip_address(ip)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    local, _, sender_domain = sender.rpartition("@")
    evaluation = _Evaluation(address, local or "postmaster", sender_domain or domain, helo, lookup)
    try:
        return await evaluation.check(domain)
    except Fault as fault:
        return Checked(Result.TEMPERROR, str(fault), fault)
    except _Permanent as mistake:
        return Checked(Result.PERMERROR, str(mistake))


@dataclass
class _Evaluation:
    """One evaluation, with what it has used of its limits."""

    ip: IPv4Address | IPv6Address
    local: str
    sender_domain: str
    helo: str
    lookup: Lookup
    lookups: int = 0
    void: int = 0

    async def check(self, domain: str) -> Checked:
        """Evaluate the record of one domain, also for `include` and `redirect`."""
        if "." not in domain.strip(".") or _dns_name(domain) is None:
            return Checked(Result.NONE, f"{domain} is not a domain name")
        answer = await self.lookup(domain, "TXT")
        texts = [text for text in map(txt_bytes, answer) if is_spf(text)]
        if not texts:
            return Checked(Result.NONE, f"{domain} has no SPF record")
        if len(texts) > 1:
            raise _Permanent(f"{domain} has {len(texts)} SPF records")
        try:
            record = parse(texts[0])
        except SyntaxMistake as mistake:
            raise _Permanent(f"the SPF record of {domain} is invalid: {mistake}") from None
        for mechanism in record.mechanisms:
            if await self._matches(mechanism, domain):
                return Checked(Result(mechanism.result), f"{mechanism.text} of {domain}")
        if record.redirect is None:
            return Checked(Result.NEUTRAL, f"no mechanism of {domain} matches")
        self._count(f"redirect={record.redirect}")
        target = await self._expand(record.redirect, domain)
        result = await self.check(target)
        if result.result is Result.NONE:
            raise _Permanent(f"{domain} redirects, and {result.reason}")
        return result

    async def _matches(self, mechanism: Mechanism, domain: str) -> bool:
        if mechanism.name == "all":
            return True
        if mechanism.network is not None:
            return self.ip in mechanism.network
        self._count(mechanism.text)
        if mechanism.name == "ptr":
            # Only the target is expanded: the name under evaluation is what `%{p}` looks up too.
            return await self._has_name_in(await self._expand(mechanism.domain, domain))
        target = await self._expand(mechanism.domain, domain)
        match mechanism.name:
            case "include":
                return await self._includes(target, domain)
            case "exists":
                return bool(await self._query(target, "A"))
            case "a":
                return await self._is_address_of(target, mechanism.prefixes)
            case _:
                return await self._is_exchange_of(target, mechanism.prefixes)

    async def _includes(self, target: str, domain: str) -> bool:
        result = await self.check(target)
        if result.result is Result.NONE:
            raise _Permanent(f"{domain} includes {target}, and {result.reason}")
        return result.result is Result.PASS

    async def _is_address_of(self, name: str, prefixes: tuple[int, int]) -> bool:
        answer = await self._query(name, "A" if self.ip.version == 4 else "AAAA")
        prefix = prefixes[self.ip.version == 6]
        return any(_same_network(self.ip, address, prefix) for address in addresses(answer))

    async def _is_exchange_of(self, name: str, prefixes: tuple[int, int]) -> bool:
        exchanges = [
            item.exchange.to_text(omit_final_dot=True)
            for item in await self._query(name, "MX")
            if isinstance(item, dns.rdtypes.ANY.MX.MX) and item.exchange != dns.name.root
        ]
        if len(exchanges) > NAMES:
            raise _Permanent(f"{name} has more than {NAMES} MX records")
        for exchange in exchanges:
            if await self._is_address_of(exchange, prefixes):
                return True
        return False

    async def _has_name_in(self, target: str) -> bool:
        names = await self._confirmed_names()
        return any(_is_in(name, target) for name in names)

    async def _confirmed_names(self) -> list[str]:
        """Return the reverse names that resolve to the address (5.5); errors are no matches."""
        reverse = dns.reversename.from_address(str(self.ip)).to_text(omit_final_dot=True)
        confirmed = []
        try:
            pointers = await self._query(reverse, "PTR")
        except Fault:
            return []
        for pointer in pointers[:NAMES]:
            if not isinstance(pointer, dns.rdtypes.ANY.PTR.PTR):
                continue
            name = pointer.target.to_text(omit_final_dot=True)
            try:
                answer = await self.lookup(name, "A" if self.ip.version == 4 else "AAAA")
            except Fault:
                continue
            if self.ip in addresses(answer):
                confirmed.append(name.lower())
        return confirmed

    async def _expand(self, text: str | None, domain: str) -> str:
        if text is None:
            return domain
        macros = {
            "s": f"{self.local}@{self.sender_domain}",
            "l": self.local,
            "o": self.sender_domain,
            "d": domain,
            "i": _dotted(self.ip),
            "h": self.helo,
            "v": "in-addr" if self.ip.version == 4 else "ip6",
        }
        if uses_macro(text, "p"):
            macros["p"] = _best_name(await self._confirmed_names(), domain)
        return expand(text, macros)

    async def _query(self, name: str, type_: str) -> Sequence[dns.rdata.Rdata]:
        """Look up a name of a mechanism, and count an empty answer."""
        answer = await self.lookup(name, type_) if _dns_name(name) is not None else ()
        if not answer:
            self.void += 1
            if self.void > VOID_LOOKUPS:
                raise _Permanent(
                    f"more than {VOID_LOOKUPS} look-ups return nothing, the last for {name}"
                )
        return answer

    def _count(self, term: str) -> None:
        self.lookups += 1
        if self.lookups > LOOKUPS:
            raise _Permanent(f"it takes more than {LOOKUPS} look-ups, the last for {term}")


def txt_bytes(item: dns.rdata.Rdata) -> bytes:
    """Return the strings of a TXT record, joined (3.3)."""
    return b"".join(item.strings) if isinstance(item, dns.rdtypes.ANY.TXT.TXT) else b""


def addresses(answer: Sequence[dns.rdata.Rdata]) -> list[IPv4Address | IPv6Address]:
    """Return the addresses of an answer."""
    return [
        ip_address(item.address)
        for item in answer
        if isinstance(item, dns.rdtypes.IN.A.A | dns.rdtypes.IN.AAAA.AAAA)
    ]


@lru_cache(maxsize=1024)
def _dns_name(text: str) -> dns.name.Name | None:
    """Return a name that can be queried; None where a label is empty or too long (4.3)."""
    try:
        return dns.name.from_text(text)
    except (dns.exception.DNSException, UnicodeError):
        return None


def _same_network(
    ip: IPv4Address | IPv6Address, other: IPv4Address | IPv6Address, prefix: int
) -> bool:
    shift = ip.max_prefixlen - prefix
    return ip.version == other.version and int(ip) >> shift == int(other) >> shift


def _is_in(name: str, domain: str) -> bool:
    return f".{name.lower()}".endswith(f".{domain.lower()}")


def _best_name(names: Sequence[str], domain: str) -> str:
    """Return the value of `%{p}` (7.3)."""
    same = [name for name in names if name == domain.lower()]
    below = [name for name in names if _is_in(name, domain)]
    return next(iter([*same, *below, *names]), "unknown")


def _dotted(ip: IPv4Address | IPv6Address) -> str:
    return str(ip) if ip.version == 4 else ".".join(f"{int(ip):032x}")
