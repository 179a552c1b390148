"""Outgoing mail: the headers that receivers require, and a verifiable DKIM signature."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage

import dkim
import pytest
import yaml
from aiosmtplib.protocol import normalize_message_line_endings
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from blueprint.fields import NOT_BLANK
from kit.faults import Fault
from kit.paths import checkout
from sender.attachments import MOST_CONTENT
from sender.compose import compose
from sender.dkim import Signer, relaxed_body
from sender.faults import COMPOSE_REFUSED, POSTAL_ADDRESS_MISSING
from sender.footer import Footer
from sender.schemas import MAX_BODY, OutgoingMessage
from sender.unsubscribing_mail import mailto
from tests.support.faults import assert_shows

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEY = rsa.generate_private_key(65537, 2048)
URL = "https://app.penguinmails.example/u/abc"
FOOTER = Footer("Acme Inc., 1 Main Street, Springfield")
LONGEST_LINE = 998
"""Octets without the line end (RFC 5322 2.1.1)."""
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=200) | (
    st.text('ab ,;:"\\<>@=?_()', min_size=1, max_size=200)
)


def message(**changes: object) -> OutgoingMessage:
    fields = {"from": "sales@acme.example", "to": "bob@rcpt.example", "subject": "Hello"}
    return OutgoingMessage.model_validate(fields | {"text": "Hello Bob\n"} | changes)


def written(outgoing: OutgoingMessage, url: str = URL, footer: Footer | None = FOOTER) -> bytes:
    return compose(
        outgoing, message_id="<1@acme.example>", unsubscribe_url=url, footer=footer, now=NOW
    )


def parsed(raw: bytes) -> EmailMessage:
    mail = message_from_bytes(raw, policy=policy.SMTP)
    assert isinstance(mail, EmailMessage)
    return mail


NAME = st.text(st.characters(categories=("L", "N"), max_codepoint=0x3000), min_size=1, max_size=10)
"""Fits into one encoded word: of several, Python 3.11 reads or writes other blanks."""
FILE_NAME = TEXT.filter(lambda name: re.match(NOT_BLANK, name) is not None)
BODY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300)


def by_the_library(outgoing: OutgoingMessage) -> EmailMessage:
    """Write a message as the standard library does, and read that."""
    mail = EmailMessage(policy=policy.SMTP)
    for name, address, display in (
        ("From", outgoing.from_address, outgoing.from_name),
        ("To", outgoing.to, outgoing.to_name),
        ("Reply-To", outgoing.reply_to, outgoing.reply_to_name),
    ):
        if address is not None:
            mail[name] = Address((display or "").strip(" "), addr_spec=address)
    mail["Subject"] = outgoing.subject.strip(" ")
    if outgoing.text is not None:
        mail.set_content(outgoing.text)
    if outgoing.html is not None:
        add = mail.set_content if outgoing.text is None else mail.add_alternative
        add(outgoing.html, subtype="html")
    for item in outgoing.attachments:
        main, _, sub = item.content_type.partition("/")
        mail.add_attachment(item.data, maintype=main, subtype=sub, filename=item.filename)
    return parsed(mail.as_bytes())


def read(mail: EmailMessage) -> list[object]:
    """Return what a receiver makes of a mail: fields, parts, charsets, octets."""
    fields = [str(mail[name]) for name in ("From", "To", "Reply-To", "Subject", "MIME-Version")]
    parts = [
        (
            part.get_content_type(),
            part.get_content_charset(),
            part.get_content_disposition(),
            part.get_filename(),
            part.get_payload(decode=True),
        )
        for part in mail.walk()
    ]
    return [*fields, *parts]


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
        assert mail["List-Id"] == "<campaigns.acme.example>"
        assert mail["Feedback-ID"] == "spring:mail.campaign:krthzr56mjs7n"
        assert mail["Message-ID"] == "<1@acme.example>"
        assert mail["Date"].datetime == NOW
        assert mail["From"] == "Acmé Sales <sales@acme.example>"

    def test_unsubscribe_link_long_is_not_folded(self) -> None:
        url = f"{URL}{'x' * 150}"
        raw = written(message(), url=url)
        assert f"List-Unsubscribe: <{url}>\r\n".encode() in raw
        assert verifies(SIGNER.sign(raw, NOW))

    def test_mail_that_unsubscribes_is_named_beside_the_link(self) -> None:
        by_mail = mailto("o'hara+a%b@penguinmails.example", "abc")
        raw = compose(
            message(),
            message_id="<1@acme.example>",
            unsubscribe_url=URL,
            unsubscribe_mail=by_mail,
            footer=FOOTER,
            now=NOW,
        )
        assert by_mail == "mailto:o%27hara+a%25b@penguinmails.example?subject=unsubscribe%20abc"
        assert f"List-Unsubscribe: <{URL}>,\r\n <{by_mail}>\r\n".encode() in raw
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

    def test_subject_at_its_longest_is_folded_in_short_lines(self) -> None:
        subject = ("שלום " + "🐧é") * 142
        raw = written(message(subject=subject[:998]))
        assert parsed(raw)["Subject"] == subject[:998].strip(" ")
        assert max(map(len, raw.partition(b"\r\nDate")[0].split(b"\r\n"))) <= 150
        lines = [line for line in raw.split(b"\r\n") if b"=?utf-8?b?" in line]
        assert max(map(len, lines)) <= 76

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

    def test_mail_transactional_has_neither_list_fields_nor_footer(self) -> None:
        mail = parsed(written(message(transactional=True, campaign="x"), footer=None))
        assert [name for name in mail if name.startswith("List-")] == []
        assert mail["Feedback-ID"].startswith("x:mail.transactional:")
        assert mail.get_content() == "Hello Bob\r\n"

    def test_mail_of_a_campaign_without_a_postal_address_is_refused(self) -> None:
        with pytest.raises(Fault) as refused:
            written(message(), footer=None)
        assert_shows(refused.value, POSTAL_ADDRESS_MISSING)

    def test_sender_id_is_the_same_for_a_domain_and_differs_between_domains(self) -> None:
        senders = ("a@acme.example", "b@ACME.example", "a@globex.example")
        fields = [parsed(written(message(**{"from": sender})))["Feedback-ID"] for sender in senders]
        assert fields[0] == fields[1] != fields[2]
        assert re.fullmatch(r"mail\.campaign:[a-z2-7]{13}", fields[0])

    @given(
        subject=NAME,
        name=NAME,
        reply=NAME,
        text=st.none() | BODY,
        html=BODY,
    )
    @settings(max_examples=20)
    def test_mail_is_read_like_one_that_the_library_wrote(
        self, subject: str, name: str, reply: str, text: str | None, html: str
    ) -> None:
        changes = {"text": text, "html": html, "transactional": True, "subject": subject}
        named = {"from_name": name, "to_name": reply, "reply_to": "r@x.example"}
        file = {"content": "AAAA", "content_type": "image/png", "filename": f"{subject}.png"}
        for attachments in ([], [file]):
            outgoing = message(**changes, **named, reply_to_name=reply, attachments=attachments)
            assert read(parsed(written(outgoing))) == read(by_the_library(outgoing))

    @given(name=FILE_NAME)
    @example(name="=?utf-8?q?a=0D=0ABcc:_all=40rcpt.example?=.pdf")
    @example(name='a"b\\c;d*1=e%41.pdf')
    @example(name="ü" * 200)
    def test_name_of_a_file_is_read_back_and_adds_no_field(self, name: str) -> None:
        file = {"content": "AAAA", "filename": name}
        raw = SIGNER.sign(written(message(attachments=[file])), NOW)
        [part] = parsed(raw).iter_attachments()
        assert part.keys() == ["Content-Type", "Content-Transfer-Encoding", "Content-Disposition"]
        read_back = part["Content-Disposition"].params["filename"]
        assert read_back.strip() == name.strip()  # Python reads no blanks at its ends
        assert max(map(len, raw.split(b"\r\n"))) <= LONGEST_LINE
        assert raw.isascii()
        assert verifies(raw)

    def test_picture_is_beside_the_html_that_shows_it(self) -> None:
        picture = {"content": "AAAA", "content_type": "image/png", "content_id": "x" * 120}
        file = {"content": "AAAA", "content_type": 'text/csv; charset=utf-8;header="a, b"'}
        outgoing = message(html="<p>Hello</p>", attachments=[file, picture])
        mail = parsed(written(outgoing))
        assert [part.get_content_type() for part in mail.walk()] == [
            "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related",
            "text/html", "image/png", "text/csv",
        ]  # fmt: skip
        shown, csv = list(mail.walk())[-2:]
        assert (shown["Content-ID"], shown.get_content_disposition()) == (
            f"<{'x' * 120}>",
            "inline",
        )
        assert csv.get_params() == [("text/csv", ""), ("charset", "utf-8"), ("header", "a, b")]
        assert written(outgoing) == written(outgoing)

    def test_boundary_in_the_text_ends_no_part(self) -> None:
        plain = {"transactional": True, "html": "<p>Hello</p>"}
        boundary = parsed(written(message(**plain))).get_boundary()
        mail = parsed(written(message(**plain, text=f"--{boundary}--\n")))
        assert [part.get_content() for part in mail.iter_parts()] == [
            f"--{boundary}--\r\n",
            "<p>Hello</p>\r\n",
        ]

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
