"""DKIM keys: made by REST, or laid as files; what rspamd gets of them."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from .client import Client, assert_message, assert_plain_message, route
from .conftest import Names

VAULT = "/internal/rspamd/vault/v1/dkim"
RECORD = re.compile(r'(\S+)\._domainkey\.(\S+)\. 600 IN TXT "v=DKIM1; k=rsa; p=([^"]+)"')


def selectors(client: Client, name: str) -> list[dict[str, str]]:
    """Return what rspamd gets for a domain."""
    answer = client.plain("GET", f"{VAULT}/{name}")
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"data"}
    return list(body["data"]["selectors"])


def public_half(pem: str | bytes) -> str:
    """Return the public half of a key as records have it."""
    content = pem.encode() if isinstance(pem, str) else pem
    key = load_pem_private_key(content, password=None).public_key()
    return b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def new_key(format: PrivateFormat = PrivateFormat.PKCS8) -> bytes:  # noqa: A002 - its name
    """Return a new key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, format, NoEncryption())


def published(client: Client, name: str) -> tuple[str, str]:
    """Return selector and public half of a domain's record, which is one text however long."""
    found = RECORD.fullmatch(client.shown(f"/domain/{name}")["dns_dkim"])
    assert found
    assert found[2] == name
    return found[1], found[3]


@route("POST /api/v1/domain/{domain}/dkim")
@route("GET /internal/rspamd/vault/v1/dkim/{domain}")
def test_a_key_is_made_without_a_body_and_never_returned(client: Client, domain: str) -> None:
    assert selectors(client, domain) == []
    assert_message(client("POST", f"/domain/{domain}/dkim"), 200)
    (entry,) = selectors(client, domain)
    selector, public = published(client, domain)
    assert set(entry) == {"domain", "key", "selector"}
    assert (entry["domain"], entry["selector"]) == (domain, selector)
    assert public_half(entry["key"]) == public
    assert "PRIVATE KEY" not in client("GET", f"/domain/{domain}").text


def test_each_call_makes_a_new_key(client: Client, domain: str) -> None:
    assert_message(client("POST", f"/domain/{domain}/dkim"), 200)
    first = published(client, domain)
    assert_message(client("POST", f"/domain/{domain}/dkim"), 200)
    assert published(client, domain) != first


def test_records_that_need_a_key(client: Client, domain: str) -> None:
    assert_message(client("POST", f"/domain/{domain}/dkim"), 200)
    shown = client.shown(f"/domain/{domain}")
    assert re.fullmatch(
        rf'_dmarc\.{domain}\. 600 IN TXT "v=DMARC1; p=reject;.* adkim=s; aspf=s"',
        shown["dns_dmarc"],
    )
    assert re.fullmatch(
        rf'{domain}\._report\._dmarc\.\S+\. 600 IN TXT "v=DMARC1;"', shown["dns_dmarc_report"]
    )
    (listed,) = [each for each in client.shown("/domain") if each["name"] == domain]
    assert listed == shown


def test_an_alternative_gets_the_key_of_its_domain_under_its_own_name(
    client: Client, names: Names
) -> None:
    alternative = names.fresh()
    name = names.domain(alternatives=[alternative])
    assert selectors(client, alternative) == []
    client("POST", f"/domain/{name}/dkim")
    (own,), (other,) = selectors(client, name), selectors(client, alternative)
    assert other == {**own, "domain": alternative}


def test_the_vault_answers_200_for_any_name(client: Client, names: Names) -> None:
    relay = names.fresh()
    client.made("/relay", {"name": relay})
    for name in (relay, names.fresh(), "nodot"):
        assert selectors(client, name) == []


def test_a_key_outlives_its_domain_and_signs_for_the_next_one(client: Client, domain: str) -> None:
    client("POST", f"/domain/{domain}/dkim")
    before = published(client, domain)
    assert_message(client("DELETE", f"/domain/{domain}"), 200)
    assert selectors(client, domain) == []
    client.made("/domain", {"name": domain})
    assert published(client, domain) == before


@route("GET /internal/rspamd/local_domains")
def test_relays_are_not_local_for_rspamd(client: Client, names: Names) -> None:
    alternative, relay = names.fresh(), names.fresh()
    name = names.domain(alternatives=[alternative])
    client.made("/relay", {"name": relay})
    local = client.plain("GET", "/internal/rspamd/local_domains").text.split("\n")
    assert {name, alternative} <= set(local)
    assert relay not in local


class TestFiles:
    """Keys that were laid as files."""

    @pytest.fixture
    def selector(self, client: Client, names: Names, keys: Path) -> str:
        """The selector of the target."""
        other = names.domain()
        client("POST", f"/domain/{other}/dkim")
        return published(client, other)[0]

    @pytest.fixture
    def name(self, names: Names, keys: Path, selector: str) -> Iterator[str]:
        """A name whose files are removed at the end."""
        name = names.fresh()
        yield name
        for path in keys.glob(f"{name}.*"):
            path.rmdir() if path.is_dir() else path.unlink()

    @pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
    def test_one_laid_before_the_domain_is_its_key_at_once(
        self, client: Client, name: str, keys: Path, selector: str, form: PrivateFormat
    ) -> None:
        pem = new_key(form)
        (keys / f"{name}.{selector}.key").write_bytes(pem)
        client.made("/domain", {"name": name})
        assert published(client, name) == (selector, public_half(pem))
        assert selectors(client, name)[0]["key"].encode() == pem

    def test_one_laid_after_the_domain_is_its_key_at_once(
        self, client: Client, name: str, keys: Path, selector: str
    ) -> None:
        client.made("/domain", {"name": name})
        assert client.shown(f"/domain/{name}")["dns_dkim"] is None
        for pem in (new_key(), new_key()):
            (keys / f"{name}.{selector}.key").write_bytes(pem)
            assert published(client, name) == (selector, public_half(pem))

    def test_making_one_replaces_the_file(
        self, client: Client, name: str, keys: Path, selector: str
    ) -> None:
        path, pem = keys / f"{name}.{selector}.key", new_key()
        path.write_bytes(pem)
        client.made("/domain", {"name": name})
        assert path.read_bytes() == pem
        assert_message(client("POST", f"/domain/{name}/dkim"), 200)
        assert path.read_bytes() != pem

    def test_one_of_another_selector_is_ignored(
        self, client: Client, name: str, keys: Path, selector: str
    ) -> None:
        (keys / f"{name}.{selector}2.key").write_bytes(new_key())
        client.made("/domain", {"name": name})
        assert client.shown(f"/domain/{name}")["dns_dkim"] is None
        assert selectors(client, name) == []

    @pytest.mark.parametrize("broken", ["no key", "unreadable"])
    def test_a_broken_one_breaks_its_domain_and_the_whole_list(
        self, client: Client, name: str, keys: Path, selector: str, broken: str
    ) -> None:
        path = keys / f"{name}.{selector}.key"
        client.made("/domain", {"name": name})
        if broken == "no key":
            path.write_text("no key\n")
        else:
            path.mkdir()  # what root cannot read either
        assert_plain_message(client("GET", f"/domain/{name}"), 500)
        assert_plain_message(client("GET", "/domain"), 500)
        listed = client.shown("/domain", extra={"X-Fields": "name,comment"})
        assert {"name": name, "comment": ""} in listed
