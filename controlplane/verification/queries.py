"""One question to one name server: its answer, or what kept it from answering."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.SOA

from blueprint.zones import is_within
from controlplane.verification import faults
from controlplane.verification.datagrams import Datagrams
from controlplane.verification.wire import (
    CNAME,
    Malformed,
    Record,
    Response,
    is_response,
    is_truncated,
    parse,
    query_for,
    question_for,
)
from kit.faults import Fault, first_line

TIMEOUT = 2.0
"""Seconds for one query."""
LONGEST_CHAIN = 16
"""Aliases in one answer."""
SECONDS_WITHOUT_SOA = 300
"""For which resolvers may keep that there is nothing where no zone says for how long."""
DEFINITE = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
WITHOUT_EDNS = (dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS)
"""Answers of servers that do not know EDNS."""


@dataclass(frozen=True)
class Server:
    """A name server as it is asked and named in messages."""

    label: str
    ip: str
    port: int


@dataclass(frozen=True)
class Answer:
    """The data of a name at the end of its aliases, sorted."""

    data: tuple[dns.rdata.Rdata, ...] = ()
    canonical: str = ""
    """The name at the end."""
    aliases: tuple[str, ...] = ()
    """The targets on the way, the last one included."""
    ttl: int = field(default=0, compare=False)
    """Seconds for which a resolver keeps the answer, or that there is none (RFC 2308 5)."""
    referral: str = ""
    """The zone below, to whose servers the answer refers instead."""


async def ask(
    datagrams: Datagrams, server: Server, name: str, type_: str, *, seconds: float, flags: int = 0
) -> Response:
    """Query one server and return its answer, with any response code; `seconds` for each packet.

    The second try is without EDNS, which some firewalls drop. Raises NO_ANSWER, TCP_CLOSED.
    """
    named = f"{name or '.'} {type_}"
    question = question_for(name, type_)
    reason = f"nothing within {2 * seconds:g} s"
    for edns in (True, False):
        try:
            wire = await datagrams.ask(
                (server.ip, server.port), question, flags=flags, edns=edns, seconds=seconds
            )
            if is_truncated(wire):
                query = query_for(question, flags=flags, edns=edns)
                return await _ask_by_tcp(server, question, query, named, seconds)
            answer = parse(wire)
        except TimeoutError:
            continue
        except (Malformed, OSError) as error:
            reason = first_line(error, "the answer is no DNS message")
            continue
        if not edns or answer.code not in WITHOUT_EDNS:
            return answer
    raise faults.NO_ANSWER(server=server.label, question=named, reason=reason)


async def _ask_by_tcp(
    server: Server, question: bytes, query: bytes, named: str, seconds: float
) -> Response:
    try:
        async with asyncio.timeout(seconds):
            wire = await _exchange(server, bytes(2) + query)
        if is_response(wire, question):
            return parse(wire)
    except (Malformed, OSError, EOFError):
        pass
    raise faults.TCP_CLOSED(server=server.label, question=named)


async def _exchange(server: Server, wire: bytes) -> bytes:
    """Send a message by TCP, and return the next one that comes (RFC 1035 4.2.2).

    A connection has one query only, so its ID tells nothing apart.
    """
    reader, writer = await asyncio.open_connection(server.ip, server.port)
    try:
        writer.write(len(wire).to_bytes(2) + wire)
        await writer.drain()
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
    finally:
        writer.transport.abort()


def read(response: Response) -> Answer:
    """Return the data of a definite answer; raises ALIAS_LOOP, LOOKUP_FAILED."""
    name, aliases = response.name, list[Record]()
    while not (found := _of(response, name, response.type)):
        alias = next(iter(_of(response, name, CNAME)), None)
        if alias is None:
            break
        aliases.append(alias)
        if len(aliases) == LONGEST_CHAIN:
            raise faults.ALIAS_LOOP(name=response.name)
        name = _target(alias)
    if found and response.code == dns.rcode.NXDOMAIN:
        reason = f"the answer has data of {name}, and says that it does not exist"
        raise faults.LOOKUP_FAILED(question=question_of(response), reason=reason)
    ttls = [record.ttl for record in (*aliases, *found)]
    data = [record.data for record in found]
    return Answer(
        tuple(sorted(set(data)) if len(data) > 1 else data),  # a hash takes all octets
        name,
        tuple(map(_target, aliases)),
        min(ttls if found else [*ttls, _seconds_of_nothing(response, name)]),
    )


def _of(response: Response, name: str, type_: int) -> list[Record]:
    return [one for one in response.answer if one.type == type_ and one.name == name]


def _target(alias: Record) -> str:
    assert isinstance(alias.data, dns.rdtypes.ANY.CNAME.CNAME)  # noqa: S101 - says so to mypy
    return alias.data.target.to_text(omit_final_dot=True).lower()


def _seconds_of_nothing(response: Response, name: str) -> int:
    """Return for how long resolvers keep that there is no data of a name (RFC 2308 5)."""
    for record in response.authority:
        is_above = not record.name or is_within(name, record.name)
        if is_above and isinstance(soa := record.data, dns.rdtypes.ANY.SOA.SOA):
            return min(record.ttl, soa.minimum)
    return SECONDS_WITHOUT_SOA


def question_of(response: Response) -> str:
    """Return what was asked: `acme.example MX`."""
    return f"{response.name} {dns.rdatatype.to_text(dns.rdatatype.RdataType.make(response.type))}"


def trouble(server: Server, question: str, response: Response) -> Fault | None:
    """Return why the code of a response is no answer; None for a definite one.

    A server that refuses need not repeat the question.
    """
    code = response.code
    if code in DEFINITE:
        return None
    if code == dns.rcode.SERVFAIL:
        return faults.SERVER_FAILED(server=server.label, question=question)
    if code == dns.rcode.REFUSED:
        return faults.REFUSED(server=server.label, question=question)
    shown = dns.rcode.to_text(dns.rcode.Rcode.make(code))
    return faults.LOOKUP_FAILED(question=question, reason=f"{server.label} answers {shown}")
