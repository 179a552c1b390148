"""DNS from the root to the leaf, with live changes, and a receiver that verifies mail."""

from __future__ import annotations

import base64
import secrets
import smtplib
from collections.abc import Callable, Iterator
from pathlib import Path

import dkim
import dns.resolver
import dns.reversename
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lab.receiver import ADDRESS, wait_for_message
from lab.running import RunningLab, required
from tests.support.lab_zones import Zone
from tests.support.waiting import wait_for

pytestmark = pytest.mark.hosts

Ask = Callable[[str, str], list[str]]


@pytest.fixture(scope="module")
def ask(lab: RunningLab) -> Ask:
    """Query the lab's resolver; without an answer, the list is empty."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [str(lab.resolver)]

    def ask(name: str, kind: str) -> list[str]:
        try:
            return sorted(record.to_text() for record in resolver.resolve(name, kind, lifetime=5))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []

    return ask


@pytest.fixture
def zone(lab: RunningLab) -> Iterator[Zone]:
    zone = Zone(lab)
    yield zone
    zone.close()


class TestNames:
    def test_record_of_the_api_is_answered_and_changes_at_once(self, zone, ask) -> None:
        record = zone.add(f"www.{zone.name}", "A", "198.18.1.77")
        assert ask(f"www.{zone.name}", "A") == ["198.18.1.77"]
        zone.change(record, "198.18.1.78")
        wait_for(lambda: ask(f"www.{zone.name}", "A") == ["198.18.1.78"])

    def test_records_of_one_name_are_answered_together(self, zone, ask) -> None:
        zone.add(zone.name, "MX", f"mx1.{zone.name}", priority=10)
        zone.add(zone.name, "MX", f"mx2.{zone.name}", priority=20)
        assert ask(zone.name, "MX") == [f"10 mx1.{zone.name}.", f"20 mx2.{zone.name}."]

    def test_record_that_is_given_by_its_data_is_answered(self, zone, ask) -> None:
        service = {"priority": 1, "target": ".", "value": 'alpn="h2"'}
        zone.add(f"web.{zone.name}", "HTTPS", "", data=service)
        assert ask(f"web.{zone.name}", "HTTPS") == ['1 . alpn="h2"']
        server = {"priority": 1, "weight": 2, "port": 465, "target": f"mx1.{zone.name}"}
        zone.add(f"_submissions._tcp.{zone.name}", "SRV", "", data=server)
        assert ask(f"_submissions._tcp.{zone.name}", "SRV") == [f"1 2 465 mx1.{zone.name}."]

    def test_alias_at_the_apex_is_answered_by_addresses_beside_mail(self, zone, ask) -> None:
        zone.add(f"web.{zone.name}", "A", "198.18.1.79")
        zone.add(zone.name, "MX", f"mx1.{zone.name}", priority=10)
        zone.add(zone.name, "CNAME", f"web.{zone.name}")
        assert ask(zone.name, "A") == ["198.18.1.79"]
        assert ask(zone.name, "MX") == [f"10 mx1.{zone.name}."]

    def test_name_outside_of_the_lab_does_not_exist(self, ask) -> None:
        assert ask("www.debian.org", "A") == []

    def test_record_with_a_long_text_is_answered_whole(self, zone, ask) -> None:
        text = "v=DKIM1; k=rsa; p=" + "A" * 400
        zone.add(f"s._domainkey.{zone.name}", "TXT", text)
        answer = ask(f"s._domainkey.{zone.name}", "TXT")[0]
        assert answer.replace('" "', "").strip('"') == text

    def test_pointer_set_at_the_provider_is_answered(self, customer, ask) -> None:
        server = customer.order(f"ptr-{secrets.token_hex(3)}")
        customer.call(
            "set_rdns",
            serviceid=server.service_id,
            ip=server.address,
            rdns="mx1.acme.example",
        )
        name = dns.reversename.from_address(server.address).to_text()
        wait_for(lambda: ask(name, "PTR") == ["mx1.acme.example."])


class TestReceiver:
    def test_message_that_is_signed_is_verified_and_a_forged_one_refused(
        self, lab, lab_directory: Path, zone
    ) -> None:
        wait_for(lambda: required(lab_directory).receiver_ready)
        key = rsa.generate_private_key(65537, 2048)
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        encoded = base64.b64encode(public).decode()
        zone.add(f"s._domainkey.{zone.name}", "TXT", f"v=DKIM1; k=rsa; p={encoded}")
        zone.add(zone.name, "TXT", f"v=spf1 ip4:{lab.sender_address} -all")
        zone.add(f"_dmarc.{zone.name}", "TXT", "v=DMARC1; p=reject")
        message = (
            f"From: ann@{zone.name}\r\nTo: alice@{lab.receiver}\r\nSubject: signed\r\n"
            f"Date: Tue, 24 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@{zone.name}>\r\n\r\nHi.\r\n"
        ).encode()
        signature = dkim.sign(message, b"s", zone.name.encode(), private)
        with smtplib.SMTP(ADDRESS) as client:
            client.sendmail(f"ann@{zone.name}", f"alice@{lab.receiver}", signature + message)
            forged = message.replace(b"ann@", b"eve@")
            with pytest.raises(smtplib.SMTPResponseException) as refused:
                client.sendmail("eve@elsewhere.example", f"alice@{lab.receiver}", forged)
        assert refused.value.smtp_code == 554
        text = " ".join(wait_for_message(lab_directory, f"<1@{zone.name}>").split())
        for verdict in ("dkim=pass", "spf=pass", "dmarc=pass"):
            assert verdict in text
