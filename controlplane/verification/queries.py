"""One question to one name server: its answer, or what kept it from answering."""

from __future__ import annotations

from dataclasses import dataclass, field

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdata
import dns.rdatatype

from controlplane.verification import faults
from kit.faults import Fault, first_line

TIMEOUT = 2.0
"""Seconds for one query."""
PAYLOAD = 1232
"""Octets of an answer by UDP that no path fragments (DNS flag day 2020)."""
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
    server: Server,
    name: str,
    type_: str,
    *,
    timeout: float,  # noqa: ASYNC109 - of one packet, and dnspython's own argument
    flags: int = 0,
) -> dns.message.Message:
    """Query one server and return its answer, with any response code.

    The second try is without EDNS, which some firewalls drop. Raises NO_ANSWER, TCP_CLOSED.
    """
    question = f"{name or '.'} {type_}"
    reason = f"nothing within {2 * timeout:g} s"
    for payload in (PAYLOAD, None):
        query = dns.message.make_query(
            f"{name}.", type_, use_edns=payload is not None, payload=payload, flags=flags
        )
        try:
            answer = await dns.asyncquery.udp(
                query,
                server.ip,
                timeout,
                server.port,
                ignore_unexpected=True,
                raise_on_truncation=True,
            )
        except dns.message.Truncated:
            return await _ask_by_tcp(server, query, question, timeout)
        except dns.exception.Timeout:
            continue
        except (dns.exception.DNSException, OSError) as error:
            reason = first_line(error, "the answer is no DNS message")
            continue
        if payload is None or answer.rcode() not in WITHOUT_EDNS:
            return answer
    raise faults.NO_ANSWER(server=server.label, question=question, reason=reason)


async def _ask_by_tcp(
    server: Server, query: dns.message.Message, question: str, seconds: float
) -> dns.message.Message:
    try:
        return await dns.asyncquery.tcp(query, server.ip, seconds, server.port)
    except (dns.exception.DNSException, OSError, EOFError):
        raise faults.TCP_CLOSED(server=server.label, question=question) from None


def read(message: dns.message.Message) -> Answer:
    """Return the data of a definite answer; raises ALIAS_LOOP, LOOKUP_FAILED."""
    try:
        if not isinstance(message, dns.message.QueryMessage):
            raise dns.message.NotQueryResponse
        chain = message.resolve_chaining()
    except dns.message.ChainTooLong:
        name = message.question[0].name.to_text(omit_final_dot=True)
        raise faults.ALIAS_LOOP(name=name) from None
    except dns.exception.DNSException as error:
        raise faults.LOOKUP_FAILED(question=question_of(message), reason=str(error)) from None
    targets = [rrset[0].to_text() for rrset in chain.cnames]
    return Answer(
        tuple(sorted(chain.answer)) if chain.answer is not None else (),
        chain.canonical_name.to_text(omit_final_dot=True).lower(),
        tuple(target.lower().removesuffix(".") for target in targets),
        chain.minimum_ttl,
    )


def question_of(message: dns.message.Message) -> str:
    """Return what was asked: `acme.example MX`."""
    [asked] = message.question
    return f"{asked.name.to_text(omit_final_dot=True)} {dns.rdatatype.to_text(asked.rdtype)}"


def trouble(server: Server, question: str, message: dns.message.Message) -> Fault | None:
    """Return why the code of a response is no answer; None for a definite one.

    A server that refuses need not repeat the question.
    """
    code = message.rcode()
    if code in DEFINITE:
        return None
    if code == dns.rcode.SERVFAIL:
        return faults.SERVER_FAILED(server=server.label, question=question)
    if code == dns.rcode.REFUSED:
        return faults.REFUSED(server=server.label, question=question)
    return faults.LOOKUP_FAILED(
        question=question, reason=f"{server.label} answers {dns.rcode.to_text(code)}"
    )
