"""Outgoing mail: the headers that receivers require, and a verifiable DKIM signature."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage

import dkim
import pytest
import yaml
from aiosmtplib.protocol import normalize_message_line_endings
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kit.faults import Fault
from kit.paths import checkout
from sender.attachments import MOST_CONTENT
from sender.compose import compose
from sender.dkim import Signer, relaxed_body
from sender.faults import COMPOSE_REFUSED
from sender.schemas import MAX_BODY, OutgoingMessage
from tests.support.faults import assert_shows

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEY = rsa.generate_private_key(65537, 2048)
URL = "https://app.penguinmails.example/u/abc"
LONGEST_LINE = 998
"""Octets without the line end (RFC 5322 2.1.1)."""
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=200) | (
    st.text('ab ,;:"\\<>@=?_()', min_size=1, max_size=200)
)


def message(**changes: object) -> OutgoingMessage:
    fields = {"from": "sales@acme.example", "to": "bob@rcpt.example", "subject": "Hello"}
    return OutgoingMessage.model_validate(fields | {"text": "Hello Bob\n"} | changes)


def written(outgoing: OutgoingMessage, url: str = URL) -> bytes:
    return compose(
        outgoing, message_id="<1@acme.example>", tenant="acme", unsubscribe_url=url, now=NOW
    )


def parsed(raw: bytes) -> EmailMessage:
    mail = message_from_bytes(raw, policy=policy.SMTP)
    assert isinstance(mail, EmailMessage)
    return mail


BODY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300)


def _decoded(value: str) -> str:
    """Decode a header value according to RFC 2047."""
    return str(make_header(decode_header(value.replace("\r\n", "").strip(" "))))


def _unquoted(phrase: str) -> str:
    if phrase.startswith('"') and phrase.endswith('"'):
        return re.sub(r"\\(.)", r"\1", phrase[1:-1])
    return phrase


def verifies(mail: bytes) -> bool:
    public = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    body = b"".join(public.splitlines()[1:-1])

    def answer(name: bytes, timeout: int = 5) -> bytes:
        assert name == b"s1._domainkey.acme.example."
        return b"v=DKIM1; k=rsa; p=" + body

    return bool(dkim.verify(mail, dnsfunc=answer))


SIGNER = Signer("acme.example", "s1", KEY)


class TestCompose:
    def test_message_has_the_headers_of_list_mail(self) -> None:
        mail = parsed(written(message(campaign="spring", from_name="Acmé Sales")))
        assert mail["List-Unsubscribe"] == f"<{URL}>"
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert mail["Feedback-ID"] == "spring:acme:mail:penguinmails"
        assert mail["Message-ID"] == "<1@acme.example>"
        assert mail["Date"].datetime == NOW
        assert mail["From"] == "Acmé Sales <sales@acme.example>"

    def test_unsubscribe_link_long_is_not_folded(self) -> None:
        url = f"{URL}{'x' * 150}"
        raw = written(message(), url=url)
        assert f"List-Unsubscribe: <{url}>\r\n".encode() in raw
        assert verifies(SIGNER.sign(raw, NOW))

    def test_message_with_text_and_html_has_html_last(self) -> None:
        mail = parsed(written(message(html="<p>Hello</p>")))
        assert mail.get_content_type() == "multipart/alternative"
        kinds = [part.get_content_type() for part in mail.iter_parts()]
        assert kinds == ["text/plain", "text/html"]

    def test_message_composed_is_ascii(self) -> None:
        raw = written(message(subject="Grüße 🐧", text="Grüße\n" * 3))
        assert raw.isascii()
        assert parsed(raw)["Subject"] == "Grüße 🐧"

    @pytest.mark.parametrize("field", ["subject", "from_name", "to_name"])
    @pytest.mark.parametrize("end", ["\r\n", "\n", "\0", "\x85", "\u2028", "\u2029"])
    def test_header_with_a_line_break_is_refused(self, field: str, end: str) -> None:
        with pytest.raises(ValidationError):
            message(**{field: f"Hello{end}Bcc: all@rcpt.example"})

    @pytest.mark.parametrize("field", ["text", "html"])
    def test_body_with_nul_is_refused(self, field: str) -> None:
        with pytest.raises(ValidationError, match="NUL"):
            message(**{field: "Hello\0Bob"})

    @pytest.mark.parametrize("field", ["subject", "from_name", "to_name"])
    def test_subject_with_an_encoded_word_stays_text(self, field: str) -> None:
        raw = written(message(**{field: "=?utf-8?q?Hello=0D=0ABcc:_all=40rcpt.example?="}))
        assert "Bcc" not in parsed(raw)
        assert b"\nBcc" not in raw

    @given(text=TEXT, name=TEXT, recipient=TEXT)
    def test_header_of_any_text_is_read_back_and_adds_no_field(
        self, text: str, name: str, recipient: str
    ) -> None:
        outgoing = message(subject=text, from_name=name, to_name=recipient)
        raw = written(outgoing)
        mail = message_from_bytes(raw, policy=policy.compat32)
        assert sorted(set(mail.keys())) == sorted(mail.keys())
        assert _decoded(mail["Subject"]) == text.strip(" ")
        for field, display, address in (
            ("From", name, outgoing.from_address),
            ("To", recipient, outgoing.to),
        ):
            phrase, _, spec = mail[field].replace("\r\n", "").rpartition(" ")
            assert spec.strip("<>") == address
            assert _decoded(_unquoted(phrase.strip(" "))) == display.strip(" ")
        head = raw.partition(b"\r\n\r\n")[0]
        assert max(map(len, head.split(b"\r\n"))) <= LONGEST_LINE
        assert b"\n" not in head.replace(b"\r\n", b"")
        assert b"\r" not in head.replace(b"\r\n", b"")

    def test_name_long_adds_no_second_sender(self) -> None:
        name = 'Evil, "x" <ceo@bank.example>, ' + "w" * 80
        raw = written(message(from_name=name))
        [only] = parsed(raw)["From"].addresses
        assert (only.display_name, only.addr_spec) == (name, "sales@acme.example")

    @pytest.mark.parametrize(
        "address",
        [
            "bob@rcpt.example\r\nRCPT", "bob@rcpt.example\n", "bob rcpt", "<b@rcpt.example>",
            ".bob@rcpt.example", "a..b@rcpt.example", f"{'x' * 65}@rcpt.example",
            "bob@-rcpt.example", "bob@rcpt..example", "bob@münchen.example",
        ],
    )  # fmt: skip
    def test_address_malformed_is_refused(self, address: str) -> None:
        with pytest.raises(ValidationError):
            message(to=address)

    def test_message_at_its_largest_is_taken_by_the_hosts(self) -> None:
        body, file = "€" * MAX_BODY, "A" * (MOST_CONTENT - 6 * MAX_BODY)
        largest = message(text=body, html=body, attachments=[{"content": file}])
        defaults = checkout() / "playbooks/roles/egress/defaults/main.yml"
        limit = int(yaml.safe_load(defaults.read_text())["egress_message_size"])
        assert MOST_CONTENT < len(written(largest)) < limit

    @pytest.mark.parametrize("url", ["http://a.example/u", "https://a.example/>\r\nX: y"])
    def test_unsubscribe_link_malformed_is_refused(self, url: str) -> None:
        with pytest.raises(Fault) as refused:
            written(message(), url)
        reason = "the unsubscribe link is not an https address"
        assert_shows(refused.value, COMPOSE_REFUSED, reason=reason)


class TestSign:
    @pytest.mark.parametrize(
        "outgoing",
        [
            message(),
            message(html="<p>" + "long " * 400 + "</p>"),
            message(subject="Grüße " * 30, from_name="Ä, Ö", text="trailing  \n\n\n"),
            message(text="", reply_to="team@acme.example"),
            message(text=".dot\n..dots\n"),
        ],
    )
    def test_signature_is_verified_by_another_implementation(
        self, outgoing: OutgoingMessage
    ) -> None:
        assert verifies(SIGNER.sign(written(outgoing), NOW))

    @given(text=BODY, html=st.none() | BODY)
    def test_signature_of_any_body_is_verified(self, text: str, html: str | None) -> None:
        signed = SIGNER.sign(written(message(text=text, html=html)), NOW)
        assert normalize_message_line_endings(signed) == signed  # what aiosmtplib makes of it
        assert signed.isascii()
        assert max(map(len, signed.split(b"\r\n"))) <= LONGEST_LINE
        assert verifies(signed)

    def test_signature_of_a_changed_message_is_refused(self) -> None:
        signed = SIGNER.sign(written(message()), NOW)
        assert not verifies(signed.replace(b"Hello Bob", b"Hello Rob"))
        assert not verifies(signed.replace(b"/u/abc", b"/u/abd"))

    def test_signature_with_a_second_from_is_refused(self) -> None:
        signed = SIGNER.sign(written(message()), NOW)
        head, body = signed.split(b"\r\n\r\n", 1)
        assert not verifies(head + b"\r\nFrom: ceo@acme.example\r\n\r\n" + body)

    @pytest.mark.parametrize(
        "name", [b"List-Unsubscribe", b"Content-Type", b"Cc", b"To", b"In-Reply-To", b"References"]
    )
    def test_signature_with_an_added_field_is_refused(self, name: bytes) -> None:
        signed = SIGNER.sign(written(message()), NOW)
        assert verifies(signed)
        assert not verifies(name + b": text/html\r\n" + signed)

    def test_signature_of_a_thread_is_verified_and_covers_it(self) -> None:
        outgoing = message(
            in_reply_to="<2@x.example>", references=["<1@x.example>", "<2@x.example>"]
        )
        signed = SIGNER.sign(written(outgoing), NOW)
        assert verifies(signed)
        assert not verifies(signed.replace(b"<1@x.example>", b"<3@x.example>"))
        assert not verifies(b"References: <4@x.example>\r\n" + signed)

    @pytest.mark.parametrize(
        "name", [b"feedback-id", b"list-unsubscribe", b"list-unsubscribe-post"]
    )
    def test_signature_covers_the_fields_that_receivers_act_on(self, name: bytes) -> None:
        signature = SIGNER.sign(written(message()), NOW).partition(b";\r\n bh=")[0]
        assert name in signature.partition(b" h=")[2].replace(b"\r\n ", b"").split(b":")

    @given(st.binary(max_size=200))
    def test_canonicalisation_repeated_changes_nothing(self, body: bytes) -> None:
        once = relaxed_body(body)
        assert relaxed_body(once) == once

    def test_key_of_another_kind_is_refused(self) -> None:
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        with pytest.raises(TypeError, match="not an RSA key"):
            Signer.from_pem("acme.example", "s1", pem)
