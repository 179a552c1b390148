"""Look-ups at recursive servers and at a zone's own, for one verification."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

import dns.flags
import dns.rdata
import dns.rdatatype
import dns.resolver
import dns.reversename

from blueprint.zones import is_within, possible_zones, registrable
from controlplane.verification import faults
from controlplane.verification.datagrams import Datagrams
from controlplane.verification.queries import TIMEOUT, Answer, Server, ask, read, trouble
from controlplane.verification.wire import Response
from kit.faults import Fault

PORT = 53
CONCURRENT_QUERIES = 16
"""Queries that are open at the same time."""
LONGEST_CHAIN = 8
"""Aliases that are followed one by one to find a loop."""

K = TypeVar("K")
T = TypeVar("T")


@dataclass
class Zone:
    """The name servers of a zone, and why some of them do not count."""

    servers: list[Server]
    troubles: dict[str, Fault] = field(default_factory=dict)
    """By server: without an address, or without an answer once."""


class Names:
    """Look-ups of one verification; every question is asked once.

    `resolver` is `host`, `host:port` or `[host]:port`; None: the machine's own. `zones` are asked
    of their own servers by `nearest`.
    """

    def __init__(
        self,
        resolver: str | None,
        *,
        authoritative_port: int = PORT,
        timeout: float = TIMEOUT,
        zones: Collection[str] = (),
    ) -> None:
        self._resolvers = _resolvers(resolver)
        self._port = authoritative_port
        self._timeout = timeout
        self._own = sorted(zones, key=len, reverse=True)
        self._limit = asyncio.Semaphore(CONCURRENT_QUERIES)
        self._datagrams = Datagrams()
        self._zones: dict[str, asyncio.Task[Zone]] = {}
        self._asked: dict[tuple[str, ...], asyncio.Task[Answer]] = {}
        self._silent: dict[Server, Fault] = {}
        """Servers that did not answer: they are not asked again."""

    async def recursive(self, name: str, type_: str) -> Answer:
        """Query the recursive servers in order; raises the fault of the first without an answer."""
        return await _once(
            self._asked, ("recursive", name, type_), lambda: self._recursive(name, type_)
        )

    async def authoritative(self, zone: str, name: str, type_: str) -> Mapping[Server, Answer]:
        """Query all of the zone's own servers; return the answers of those that have one.

        Raises NOT_DELEGATED for a zone without servers, and the reason when none of them answers.
        """
        found = await self._zone(zone)
        answers = await asyncio.gather(
            *(self._own_answer(found, zone, server, name, type_) for server in found.servers)
        )
        answered = {
            server: answer
            for server, answer in zip(found.servers, answers, strict=True)
            if answer is not None
        }
        if not answered:
            raise _joined(f"{name} {type_}", list(found.troubles.values()))
        if referrals := {answer.referral for answer in answered.values() if answer.referral}:
            return await self.authoritative(max(referrals), name, type_)
        return answered

    async def enclosing(self, name: str) -> str:
        """Return the zone that a name is in; raises NOT_DELEGATED where there is none.

        The zone of a registry, such as `co.uk`, is none: it answers for domains that do not exist.
        """
        for zone in possible_zones(name):
            try:
                await self._zone(zone)
            except Fault as fault:
                if fault.code is not faults.NOT_DELEGATED:
                    raise
            else:
                return zone
        raise _not_delegated(registrable(name))

    async def nearest(self, name: str, type_: str) -> Answer:
        """Query the own servers of a zone of ours, the recursive ones for every other name.

        A recursive server that is queried too early caches that a name does not exist.
        """
        for zone in self._own:
            if is_within(name, zone):
                try:
                    own = await self.enclosing(zone)
                except Fault as fault:
                    if fault.code is not faults.NOT_DELEGATED:
                        raise
                    break
                return next(iter((await self.authoritative(own, name, type_)).values()))
        return await self.recursive(name, type_)

    async def pointer(self, ip: str) -> set[str]:
        """Return the reverse names of an address."""
        reverse = dns.reversename.from_address(ip).to_text(omit_final_dot=True)
        return set(texts((await self.recursive(reverse, "PTR")).data))

    async def troubles(self, zone: str) -> list[Fault]:
        """Return the faults of those servers of a zone that did not answer a question."""
        return list((await self._zone(zone)).troubles.values())

    async def _recursive(self, name: str, type_: str) -> Answer:
        try:
            return read(await self._ask_resolvers(name, type_))
        except Fault as fault:
            if fault.code is not faults.SERVER_FAILED:
                raise
            explained = await self._explained(fault, name, type_)
        if explained.code is faults.BOGUS:
            # Signatures fail again; a failure that was a passing one does not.
            with suppress(Fault):
                return read(await self._ask_resolvers(name, type_))
        raise explained

    async def _ask_resolvers(self, name: str, type_: str, *, validated: bool = True) -> Response:
        """`validated`: signatures that do not validate (DNSSEC) are a failure of the server."""
        flags = dns.flags.RD | (0 if validated else dns.flags.CD)
        failures = []
        for server in self._resolvers:
            try:
                message = await self._ask(server, name, type_, flags)
            except Fault as fault:
                failures.append(fault)
                continue
            if (reason := trouble(server, f"{name} {type_}", message)) is None:
                return message
            failures.append(reason)
        raise next(iter(failures), faults.NO_RESOLVER())

    async def _explained(self, failure: Fault, name: str, type_: str) -> Fault:
        """Find out what the failure of a recursive server means (RFC 4035 3.2.2)."""
        try:
            await self._ask_resolvers(name, type_, validated=False)
        except Fault:
            pass
        else:
            return faults.BOGUS(question=f"{name} {type_}")
        seen, target = [name], name
        while len(seen) <= LONGEST_CHAIN:
            try:
                aliases = texts(read(await self._ask_resolvers(target, "CNAME")).data)
            except Fault:
                return failure
            if not aliases:
                return failure
            target = aliases[0]
            if target in seen:
                break
            seen.append(target)
        return faults.ALIAS_LOOP(name=name)

    async def _zone(self, zone: str) -> Zone:
        return await _once(self._zones, zone, lambda: self._find_zone(zone))

    async def _find_zone(self, zone: str) -> Zone:
        """Find the servers of a zone; signatures do not matter, as they are asked themselves."""
        try:
            answer = read(await self._ask_resolvers(zone, "NS", validated=False))
            # Behind an alias are the servers of another zone.
            names = [] if answer.aliases else texts(answer.data)
        except Fault as fault:
            # None of the zone's servers answers the resolver: its parent says which they are.
            referred = await self._delegation(zone) if fault.code is faults.SERVER_FAILED else None
            if referred is None:
                raise
            names = referred
        if not names:
            raise _not_delegated(zone)
        found = Zone([])
        for name, ips in zip(names, await asyncio.gather(*map(self._ips_of, names)), strict=True):
            if isinstance(ips, Fault):
                found.troubles[name] = faults.NO_ADDRESS(server=name, zone=zone, reason=str(ips))
            found.servers += [
                Server(f"{name} ({ip})", ip, self._port)
                for ip in (() if isinstance(ips, Fault) else ips)
            ]
        return found

    async def _ips_of(self, name: str) -> list[str] | Fault:
        """Return the addresses of a name server, IPv6 only where it has no other."""
        try:
            for type_ in ("A", "AAAA"):
                message = await self._ask_resolvers(name, type_, validated=False)
                if ips := texts(read(message).data):
                    return ips
        except Fault as fault:
            return fault
        return faults.LOOKUP_FAILED(question=name, reason="it has neither A nor AAAA")

    async def _delegation(self, zone: str) -> list[str] | None:
        """Return the names of a zone's servers as a server of its parent refers to them.

        None: its parent has no server that answers.
        """
        try:
            parents = (await self._zone(zone.partition(".")[2])).servers if zone else []
        except Fault:
            return None
        for server in parents:
            try:
                message = await self._ask(server, zone, "NS", 0)
            except Fault:
                continue
            if trouble(server, f"{zone} NS", message) is None:
                return texts(
                    [
                        record.data
                        for record in (*message.answer, *message.authority)
                        if record.type == dns.rdatatype.NS and record.name == zone
                    ]
                )
        return None

    async def _own_answer(
        self, found: Zone, zone: str, server: Server, name: str, type_: str
    ) -> Answer | None:
        """Query one server of a zone; an alias that leads elsewhere is followed."""
        try:
            answer = await _once(
                self._asked,
                (server.ip, zone, name, type_),
                lambda: self._ask_own(server, zone, name, type_),
            )
        except Fault as fault:
            found.troubles.setdefault(server.label, fault)
            return None
        if answer.data or not answer.aliases:
            return answer
        rest = await self.recursive(answer.canonical, type_)
        return replace(rest, aliases=answer.aliases + rest.aliases)

    async def _ask_own(self, server: Server, zone: str, name: str, type_: str) -> Answer:
        message = await self._ask(server, name, type_, 0)
        if (reason := trouble(server, f"{name} {type_}", message)) is not None:
            raise reason
        if message.is_authoritative:
            return read(message)
        if (below := _referral(message, zone, name)) is not None:
            return Answer(referral=below)
        # A lame server refers to others or answers from its cache.
        raise faults.LAME(server=server.label, zone=zone)

    async def _ask(self, server: Server, name: str, type_: str, flags: int) -> Response:
        async with self._limit:
            if server in self._silent:
                raise self._silent[server]
            try:
                return await ask(
                    self._datagrams, server, name, type_, seconds=self._timeout, flags=flags
                )
            except Fault as fault:
                if fault.code is faults.NO_ANSWER:
                    self._silent[server] = fault
                raise


async def _once(
    tasks: dict[K, asyncio.Task[T]], key: K, make: Callable[[], Coroutine[Any, Any, T]]
) -> T:
    """Await the result of the first call with this key."""
    if key not in tasks:
        tasks[key] = asyncio.create_task(make())
    return await tasks[key]


def _referral(message: Response, zone: str, name: str) -> str | None:
    """Return the zone that is delegated in `zone` at or above `name`."""
    cuts = [record.name for record in message.authority if record.type == dns.rdatatype.NS]
    below = (cut for cut in cuts if cut != zone and is_within(cut, zone))
    return next((cut for cut in below if is_within(name, cut)), None)


def texts(data: Sequence[dns.rdata.Rdata]) -> list[str]:
    """Print record data, sorted: names lower-case without final dot, TXT strings joined."""
    return sorted(map(_text, data))


def _text(item: dns.rdata.Rdata) -> str:
    if item.rdtype == dns.rdatatype.TXT:
        return b"".join(item.strings).decode("ascii", "replace")  # type: ignore[attr-defined]
    return item.to_text().lower().removesuffix(".")


def _not_delegated(zone: str) -> Fault:
    remedy = (
        f"enter the name servers that Cloudflare shows for {zone} at its registrar; "
        "a new delegation can take a day to become visible"
    )
    return faults.NOT_DELEGATED(zone=zone, remedy=remedy)


def _joined(question: str, troubles: Sequence[Fault]) -> Fault:
    """Return one fault of all servers: their own where they share it, else all reasons."""
    reasons = "; ".join(dict.fromkeys(str(fault) for fault in troubles))
    if len({fault.code for fault in troubles}) > 1:
        return faults.LOOKUP_FAILED(question=question, reason=reasons)
    return Fault(troubles[0].code, reasons, troubles[0].remedy)


def _resolvers(address: str | None) -> list[Server]:
    if address is not None:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname or "", parts.port or PORT
        return [Server("the recursive name server", host, port)]
    try:
        configured = dns.resolver.Resolver().nameservers
    except dns.resolver.NoResolverConfiguration:
        return []
    return [Server(f"the recursive name server {ip}", str(ip), PORT) for ip in configured]
