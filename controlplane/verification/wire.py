"""Queries and responses of the DNS as octets (RFC 1035 4, RFC 6891), as far as look-ups need them.

A message of dnspython takes most of a millisecond; what it makes of the data of records is used.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype

PAYLOAD = 1232
"""Octets of an answer by UDP that no path fragments (DNS flag day 2020)."""
LONGEST_NAME = 255
"""Octets (RFC 1035 2.3.4)."""
LONGEST_TTL = 2**31 - 1
"""Larger ones count as none (RFC 2181 8)."""
IN, CNAME, OPT = dns.rdataclass.IN, dns.rdatatype.CNAME, dns.rdatatype.OPT
OF_ZONES = frozenset({dns.rdatatype.NS, dns.rdatatype.SOA})
"""The types that are read where a server says who knows, and for how long there is nothing."""
MAY_LACK_QUESTION = (dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED)
_HEADER = struct.Struct("!6H")
_TYPE_AND_CLASS = struct.Struct("!2H")
_RECORD = struct.Struct("!HHIH")
_OPCODE = 0x7800
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
_PLAIN_LABEL = re.compile(rb"[A-Za-z0-9_*/-]+")
_TO_QUESTION = b"\xc0\x0c"
"""A pointer to the first name of a message."""


class Malformed(Exception):
    """The octets are no response; the message says why."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record, by its name in lower case without the final dot."""

    name: str
    type: int
    ttl: int
    data: dns.rdata.Rdata


@dataclass(frozen=True, slots=True)
class Response:
    """What a server has answered: data of the type that was asked for, aliases, and the zone's."""

    name: str
    """What was asked; empty where the server has not repeated it."""
    type: int
    code: int
    flags: int
    answer: Sequence[Record]
    authority: Sequence[Record]

    @property
    def is_authoritative(self) -> bool:
        """Whether it comes from a server of the zone."""
        return bool(self.flags & dns.flags.AA)


def question_for(name: str, type_: str) -> bytes:
    """Return a question; raises DNSException for what is no name."""
    if len(name) < LONGEST_NAME - 1 and _PLAIN.fullmatch(name):
        labels: Sequence[bytes] = (*name.encode().split(b"."), b"")
    else:
        labels = dns.name.from_text(f"{name}.").labels
    own = b"".join(bytes((len(label),)) + label for label in labels)
    return own + _TYPE_AND_CLASS.pack(dns.rdatatype.from_text(type_), IN)


def query_for(question: bytes, *, flags: int, edns: bool) -> bytes:
    """Return a query with this question but for its ID, the two octets in front of it."""
    header = _HEADER.pack(0, flags, 1, 0, 0, int(edns))
    option = b"\0" + _RECORD.pack(OPT, PAYLOAD, 0, 0) if edns else b""
    return header[2:] + question + option


def is_response(wire: bytes, question: bytes) -> bool:
    """Return whether a message is a response to this question; its ID is not compared.

    A server that could not even read the question need not repeat it.
    """
    if len(wire) < _HEADER.size:
        return False
    _, flags, count, *_ = _HEADER.unpack_from(wire)
    if not flags & dns.flags.QR or flags & _OPCODE:
        return False
    if count == 0:
        return flags & 0xF in MAY_LACK_QUESTION
    end = _HEADER.size + len(question)
    name = len(question) - _TYPE_AND_CLASS.size
    asked = wire[_HEADER.size : end]
    return (
        count == 1
        and asked[:name].lower() == question[:name].lower()
        and asked[name:] == question[name:]
    )


def is_truncated(wire: bytes) -> bool:
    """Return whether an answer is too long for UDP."""
    return bool(_HEADER.unpack_from(wire)[1] & dns.flags.TC)


def parse(wire: bytes) -> Response:
    """Read a response; raises Malformed."""
    try:
        return _parse(wire)
    except (IndexError, struct.error):
        raise Malformed("the answer is cut off") from None
    except dns.exception.DNSException as error:
        raise Malformed(str(error) or "the answer is no DNS message") from None


def _parse(wire: bytes) -> Response:
    _, flags, questions, answers, authorities, additional = _HEADER.unpack_from(wire)
    name, type_, at, code = "", 0, _HEADER.size, flags & 0xF
    if questions:
        name, at = _name(wire, at, "")
        type_, _ = _TYPE_AND_CLASS.unpack_from(wire, at)
        at += _TYPE_AND_CLASS.size
    answer, at = _records(wire, at, answers, name, {type_, CNAME})
    authority, at = _records(wire, at, authorities, name, OF_ZONES)
    for _ in range(additional):
        _, at = _name(wire, at, name)
        kind, _, ttl, length = _RECORD.unpack_from(wire, at)
        if kind == OPT:
            code |= ttl >> 24 << 4
        at += _RECORD.size + length
    if at > len(wire):
        raise IndexError
    return Response(name, type_, code, flags, answer, authority)


def _records(
    wire: bytes, at: int, count: int, asked: str, types: Collection[int]
) -> tuple[list[Record], int]:
    """Return the records of some types in a section, and where the next one begins."""
    records = []
    for _ in range(count):
        name, at = _name(wire, at, asked)
        type_, class_, ttl, length = _RECORD.unpack_from(wire, at)
        at += _RECORD.size
        if class_ == IN and type_ in types:
            data = dns.rdata.from_wire(IN, type_, wire, at, length)
            records.append(Record(name, type_, ttl if ttl <= LONGEST_TTL else 0, data))
        at += length
    return records, at


def _name(wire: bytes, at: int, asked: str) -> tuple[str, int]:
    """Return the name at an offset, and where it ends."""
    if asked and wire[at : at + 2] == _TO_QUESTION:
        return asked, at + 2
    labels, size, end, limit = list[bytes](), 1, 0, at
    while length := wire[at]:
        if length >= 0xC0:
            end = end or at + 2
            at = (length & 0x3F) << 8 | wire[at + 1]
            if at >= limit:
                raise Malformed("a name of the answer refers to itself")
            limit = at
            continue
        size += 1 + length
        label = wire[at + 1 : at + 1 + length]
        if length > 63 or size > LONGEST_NAME or len(label) < length:
            raise Malformed("the answer has a name that is none")
        labels.append(label)
        at += 1 + length
    return _text(labels), end or at + 1


def _text(labels: Sequence[bytes]) -> str:
    if all(map(_PLAIN_LABEL.fullmatch, labels)):
        return b".".join(labels).decode().lower()
    return dns.name.Name((*labels, b"")).to_text(omit_final_dot=True).lower()
