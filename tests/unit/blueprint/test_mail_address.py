"""One rule of mail addresses, wherever one is written."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from blueprint.loading import load
from blueprint.mail_address import (
    ADDRESS,
    MailAddress,
    folded,
    is_mail_address,
    meant_address,
    remedy_of,
)
from kit.faults import Fault
from sender.schemas import OutgoingMessage
from sender.suppression import recipient_hash
from tests.support.installation import PLATFORM

ADAPTER = TypeAdapter(MailAddress)
SCHEMA = jsonschema_rs.Draft202012Validator(ADAPTER.json_schema())
DOCUMENT = """\
apiVersion: penguinmails.dev/v1
kind: Tenant
metadata: {name: acme}
spec:
  sending: {postal_address: Springfield}
  plan: business
  region: us-west
  hosts: [{name: mx1}]
  domains: [{name: acme.example}]
  mailboxes:
    - address: %s
"""
ACCEPTED = [
    "bob@acme.example",
    "Bob.Smith@acme.example",
    "bob@ACME.Example",
    "o'brien@acme.example",
    "bob+news=x%y&z@acme.example",
    "!#$%&'*+/=?^_`{|}~-@acme.example",
    f"{'a' * 64}@acme.example",
    "1@acme.example",
    "-f@acme.example",
    "{{x}}{%y%}@acme.example",
]
REFUSED = [
    ("bob@example.123", "no top-level domain is a number", None),
    ("bob@192.0.2.1", "no top-level domain is a number", None),
    ("bob@[192.0.2.1]", "a domain name in place of the IP address", None),
    ("bob@[IPv6:2001:db8::7]", "a domain name in place of the IP address", None),
    ("bob@acme.example.", "without a final dot", "bob@acme.example"),
    ("bob@münchen.example", "in Punycode", "bob@xn--mnchen-3ya.example"),
    ("bob@straße.example", "in Punycode", "bob@xn--strae-oqa.example"),
    ("bob@acme。example", "in Punycode", "bob@acme.example"),
    ("jörg@acme.example", "need SMTPUTF8 (RFC 6531)", None),
    ('"bob"@acme.example', "without quotes", "bob@acme.example"),
    ('"bob smith"@acme.example', "without quotes", None),
    ("Bob <bob@acme.example>", "one address alone", "bob@acme.example"),
    ("bob@acme.example (Bob)", "one address alone", None),
    ("bob@acme.example, eve@acme.example", "one address alone", None),
    ("mailto:bob@acme.example", "such as bob@example.com", "bob@acme.example"),
    (" bob@acme.example", "without spaces", "bob@acme.example"),
    ("bob@acme.example\n", "without control characters", "bob@acme.example"),
    ("bob@acme.example\r\nBcc: eve@acme.example", "without control characters", None),
    ("b\0b@acme.example", "without control characters", None),
    ("bob@acme.example\u2028", "without control characters", "bob@acme.example"),
    ("bob@localhost", "the full domain name", None),
    ("bob", "the whole address", None),
    ("", "the whole address", None),
    ("@acme.example", "such as bob@example.com", None),
    ("bob@", "the full domain name", None),
    ("bob@eve@acme.example", "write one @", None),
    ("bob@acme.example:25", "letters, digits and hyphens", None),
    ("bob@acme.example?subject=x", "letters, digits and hyphens", None),
    ("bob@acme.1com", "letters, digits and hyphens", None),
    ("bob@acme.example\u200b", "in Punycode", "bob@acme.example"),
    ("bob\u200b@acme.example", "need SMTPUTF8 (RFC 6531)", None),
    ("bob@[acme.example]", "a domain name in place of the IP address", None),
    ("bob\\@acme.example", "such as bob@example.com", None),
    ("bob%40acme.example", "the whole address", None),
    (".bob@acme.example", "no dot at the beginning", None),
    ("b..b@acme.example", "no two dots in a row", None),
    ("bob.@acme.example", "no dot at the beginning or the end", None),
    ("bob@-acme.example", "letters, digits and hyphens", None),
    ("bob@ac_me.example", "letters, digits and hyphens", None),
    (f"bob@{'a' * 64}.example", "letters, digits and hyphens", None),
    (f"{'a' * 65}@acme.example", "at most 64 characters before the @", None),
    (f"bob@{'.'.join(['a' * 60] * 5)}.example", "at most 254 characters", None),
]


def message(address: str) -> dict[str, Any]:
    return {"from": address, "to": address, "reply_to": address, "subject": "", "text": ""}


def quoted(address: str) -> str:
    """Return a YAML text that holds any character."""
    return '"' + "".join(f"\\U{ord(character):08x}" for character in address) + '"'


@pytest.mark.parametrize("address", ACCEPTED)
def test_address_that_a_message_may_have_may_be_declared(address: str) -> None:
    local, _, domain = address.rpartition("@")
    sent = OutgoingMessage.model_validate(message(address))
    kept = f"{local}@{domain.lower()}"
    assert [sent.from_address, sent.to, sent.reply_to] == [kept] * 3
    assert sent.from_domain == "acme.example"
    (source,) = load(DOCUMENT % quoted(address), file="x", platform=PLATFORM)
    assert source.tenant.spec.mailboxes[0].address == folded(address)
    assert SCHEMA.is_valid(address)


@pytest.mark.parametrize(("address", "remedy", "meant"), REFUSED)
def test_address_is_refused_alike_in_file_and_message_with_what_to_write(
    address: str, remedy: str, meant: str | None
) -> None:
    with pytest.raises(ValidationError) as refused:
        OutgoingMessage.model_validate(message(address))
    assert {error["loc"] for error in refused.value.errors()} == {("from",), ("to",), ("reply_to",)}
    with pytest.raises(Fault) as caught:
        load(DOCUMENT % quoted(address), file="x", platform=PLATFORM)
    (mistake,) = caught.value.violations
    assert (mistake.line, mistake.path) == (11, "spec.mailboxes[0].address")
    assert remedy in mistake.remedy
    assert mistake.suggestion == meant
    assert not SCHEMA.is_valid(address)


@given(st.one_of(st.text(max_size=30), st.from_regex(ADDRESS), st.from_regex(ADDRESS[1:-1])))
def test_schema_and_type_accept_the_same_and_every_refusal_says_what_to_write(text: str) -> None:
    try:
        ADAPTER.validate_python(text)
        accepted = True
    except ValidationError:
        accepted = False
        assert remedy_of(text)
        assert (meant := meant_address(text)) is None or is_mail_address(meant)
    assert SCHEMA.is_valid(text) == accepted


def test_mailbox_in_another_case_is_the_same_one() -> None:
    text = DOCUMENT % "Bob@acme.example" + "    - address: bob@ACME.example\n"
    with pytest.raises(Fault) as caught:
        load(text, file="x", platform=PLATFORM)
    (mistake,) = caught.value.violations
    assert (mistake.code.name, mistake.line) == ("tenant.duplicate", 12)
    assert recipient_hash("Bob@acme.example") == recipient_hash("bob@acme.example")
