"""Messages mean what dnspython reads in them, and octets that are none raise Malformed only."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.verification import faults
from controlplane.verification.queries import Answer, read
from controlplane.verification.wire import (
    Malformed,
    is_response,
    is_truncated,
    parse,
    query_for,
    question_for,
)
from kit.faults import Fault

SOA = ("acme.example.", 900, "SOA", "ns.x. h.x. 1 2 3 4 300")
TEXT = '"v=DKIM1; p=' + "A" * 200 + '" "' + "B" * 200 + '"'
NAMES = ["acme.example", "*.acme.example", "a\\.b.acme.example", "bücher.example", "", "X.Example"]
Rrset = tuple[str, int, str, str]


def response(
    asked: tuple[str, str],
    answer: Sequence[Rrset],
    authority: Sequence[Rrset] = (),
    code: str = "NOERROR",
) -> dns.message.QueryMessage:
    query = dns.message.make_query(f"{asked[0]}.", asked[1], payload=1232)
    message = dns.message.make_response(query)
    assert isinstance(message, dns.message.QueryMessage)
    for records, section in ((answer, message.answer), (authority, message.authority)):
        for name, ttl, type_, content in records:
            section.append(dns.rrset.from_text(name, ttl, "IN", type_, content))
    message.set_rcode(dns.rcode.from_text(code))
    return message


ANSWERS = {
    "address": (("b.acme.example", "A"), [("b.acme.example.", 60, "A", "192.0.2.1")], []),
    "text": (("acme.example", "TXT"), [("Acme.example.", 60, "TXT", TEXT)], []),
    "aliases": (
        ("b.acme.example", "TXT"),
        [
            ("b.acme.example.", 60, "CNAME", "C.acme.example."),
            ("c.acme.example.", 30, "CNAME", "d.other.example."),
            ("d.other.example.", 90, "TXT", '"x"'),
        ],
        [],
    ),
    "alias that was asked for": (
        ("b.acme.example", "CNAME"),
        [("b.acme.example.", 60, "CNAME", "c.acme.example.")],
        [],
    ),
    "alias to nothing": (
        ("b.acme.example", "A"),
        [("b.acme.example.", 600, "CNAME", "c.acme.example.")],
        [SOA],
    ),
    "nothing": (("b.acme.example", "MX"), [], [SOA]),
    "nothing below the root": (("b", "MX"), [], [(".", 60, "SOA", "ns.x. h.x. 1 2 3 4 300")]),
    "label with a dot": (("a\\.b.x", "MX"), [("a\\.b.x.", 60, "MX", "10 \\226.x\\.y.")], []),
    "others beside it": (
        ("acme.example", "MX"),
        [
            ("acme.example.", 60, "TXT", '"x"'),
            ("elsewhere.example.", 60, "MX", "10 a."),
            ("acme.example.", 60, "MX", "10 b."),
        ],
        [("acme.example.", 60, "NS", "ns.x.")],
    ),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("edns", [True, False])
def test_query_is_read_as_the_same_question(name, edns) -> None:
    wire = query_for(question_for(name, "TXT"), flags=dns.flags.RD, edns=edns)
    read_back = dns.message.from_wire(b"\x12\x34" + wire)
    expected = dns.message.make_query(
        f"{name}.", "TXT", use_edns=edns, payload=1232 if edns else None, id=0x1234
    )
    assert read_back == expected
    assert (read_back.edns, read_back.payload) == (expected.edns, expected.payload)
    assert read_back.flags == dns.flags.RD


@pytest.mark.parametrize(("asked", "answer", "authority"), ANSWERS.values(), ids=ANSWERS)
def test_answer_is_what_dnspython_reads_in_it(asked, answer, authority) -> None:
    message = response(asked, answer, authority)
    known = dns.message.from_wire(message.to_wire())
    assert isinstance(known, dns.message.QueryMessage)
    chain = known.resolve_chaining()
    own = read(parse(message.to_wire()))
    aliases = [rrset[0].to_text().lower().removesuffix(".") for rrset in chain.cnames]
    assert own == Answer(
        tuple(chain.answer or ()),
        chain.canonical_name.to_text(omit_final_dot=True).lower(),
        tuple(aliases),
    )
    assert own.ttl == chain.minimum_ttl


def test_data_of_a_name_that_is_said_not_to_exist_is_no_answer() -> None:
    asked, answer, _ = ANSWERS["address"]
    with pytest.raises(Fault) as raised:
        read(parse(response(asked, answer, code="NXDOMAIN").to_wire()))
    assert raised.value.code is faults.LOOKUP_FAILED


def test_aliases_in_a_circle_are_followed_to_no_end() -> None:
    circle = [("a.x.", 60, "CNAME", "b.x."), ("b.x.", 60, "CNAME", "a.x.")]
    with pytest.raises(Fault) as raised:
        read(parse(response(("a.x", "A"), circle).to_wire()))
    assert raised.value.code is faults.ALIAS_LOOP


def test_code_of_edns_is_read() -> None:
    message = response(("acme.example", "A"), [], code="BADVERS")
    assert parse(message.to_wire()).code == dns.rcode.BADVERS


def test_number_that_is_no_time_to_live_counts_as_none() -> None:
    asked, answer, _ = ANSWERS["address"]
    wire = response(asked, answer).to_wire().replace((60).to_bytes(4), (2**31).to_bytes(4))
    assert read(parse(wire)).ttl == 0


def test_response_is_one_to_the_same_question() -> None:
    question = question_for("acme.example", "TXT")
    same = response(("aCME.example", "TXT"), [])
    assert is_response(same.to_wire(), question)
    assert not is_response(response(("acme.example", "MX"), []).to_wire(), question)
    assert not is_response(response(("b.acme.example", "TXT"), []).to_wire(), question)
    same.flags &= ~dns.flags.QR
    assert not is_response(same.to_wire(), question)
    assert not is_response(same.to_wire()[:11], question)


@pytest.mark.parametrize(("code", "counts"), [("SERVFAIL", True), ("NOERROR", False)])
def test_only_a_failure_need_not_repeat_the_question(code, counts) -> None:
    message = response(("acme.example", "TXT"), [], code=code)
    message.question.clear()
    assert is_response(message.to_wire(), question_for("acme.example", "TXT")) is counts


def test_answer_that_is_too_long_for_udp_is_seen() -> None:
    message = response(("acme.example", "TXT"), [])
    assert not is_truncated(message.to_wire())
    message.flags |= dns.flags.TC
    assert is_truncated(message.to_wire())


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_that_is_cut_off_is_malformed(name) -> None:
    wire = response(*ANSWERS[name]).to_wire()
    for length in range(len(wire)):
        with pytest.raises(Malformed):
            parse(wire[:length])


@pytest.mark.parametrize("pointer", [b"\xc0\x0c", b"\xc0\x20"], ids=["itself", "what follows"])
def test_name_that_does_not_lead_back_is_malformed(pointer) -> None:
    header = response(("acme.example", "TXT"), []).to_wire()[:12]
    with pytest.raises(Malformed):
        parse(header + pointer + bytes(40))


@given(st.sampled_from(list(ANSWERS)), st.data())
def test_octets_that_were_changed_raise_nothing_else(name, data) -> None:
    wire = bytearray(response(*ANSWERS[name]).to_wire())
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Malformed, Fault):
        read(parse(bytes(wire)))
