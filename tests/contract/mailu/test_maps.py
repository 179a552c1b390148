"""What Postfix and Dovecot ask: 200 with a JSON text, else 404; none of it needs a token."""

from __future__ import annotations

import re

import pytest

from .client import Client, assert_page, route
from .conftest import Names

SMTP = "[10.255.0.1]:10026"


@route("GET /internal/postfix/domain/{domain}")
def test_domains_and_alternatives_are_delivered_here_and_relays_are_not(
    client: Client, names: Names
) -> None:
    alternative, relay = names.fresh(), names.fresh()
    name = names.domain(alternatives=[alternative])
    client.made("/relay", {"name": relay, "smtp": SMTP})
    assert client.map(f"domain/{name}") == name
    assert client.map(f"domain/{alternative}") == alternative
    assert client.map(f"domain/{relay}") is None
    assert client.map(f"domain/{names.fresh()}") is None


def test_no_entry_is_a_page(client: Client, names: Names) -> None:
    assert_page(client.plain("GET", f"/internal/postfix/domain/{names.fresh()}"), 404)


@route("GET /internal/postfix/mailbox/{email*}")
def test_users_have_mailboxes_and_aliases_do_not(client: Client, domain: str, user: str) -> None:
    client.made("/alias", {"email": f"info@{domain}", "destination": [user]})
    assert client.map(f"mailbox/{user}") == client.map(f"mailbox/{user.upper()}") == user
    assert client.map(f"mailbox/info@{domain}") is None


@route("GET /internal/postfix/alias/{email*}")
class TestAliases:
    """Where the mail of an address goes."""

    @pytest.fixture(autouse=True)
    def call(self, client: Client, domain: str) -> None:
        client.map(f"alias/nobody@{domain}")

    def test_a_user_leads_to_itself_with_the_detail(
        self, client: Client, domain: str, user: str
    ) -> None:
        assert client.map(f"alias/{user}") == user
        assert client.map(f"alias/ada+detail@{domain}") == f"ada+detail@{domain}"

    def test_an_alias_leads_to_its_destinations(
        self, client: Client, names: Names, domain: str, user: str
    ) -> None:
        other = names.user(domain, "bob")
        client.made("/alias", {"email": f"info@{domain}", "destination": [user, other]})
        assert client.map(f"alias/info@{domain}") == f"{user},{other}"
        assert client.map(f"alias/INFO@{domain}") == f"{user},{other}"

    def test_a_user_comes_before_an_alias_of_the_same_name(
        self, client: Client, names: Names, domain: str, user: str
    ) -> None:
        other = names.user(domain, "bob")
        client.made("/alias", {"email": user, "destination": [other]})
        assert client.map(f"alias/{user}") == user

    def test_a_wildcard_catches_what_nothing_else_does(
        self, client: Client, names: Names, domain: str, user: str
    ) -> None:
        other = names.user(domain, "bob")
        client.made("/alias", {"email": f"info@{domain}", "destination": [other]})
        catch_all = {"email": f"%@{domain}", "destination": [user], "wildcard": True}
        client.made("/alias", catch_all)
        assert client.map(f"alias/anything@{domain}") == user
        assert client.map(f"alias/info@{domain}") == other
        assert client.map(f"alias/bob@{domain}") == other

    def test_a_forward_leads_on_with_or_without_a_copy(self, client: Client, user: str) -> None:
        forward = {"forward_enabled": True, "forward_destination": ["a@elsewhere.test"]}
        client("PATCH", f"/user/{user}", forward)
        assert client.map(f"alias/{user}") == f"a@elsewhere.test,{user}"
        client("PATCH", f"/user/{user}", {"forward_keep": False})
        assert client.map(f"alias/{user}") == "a@elsewhere.test"

    def test_an_alternative_has_the_addresses_of_its_domain(
        self, client: Client, names: Names, domain: str, user: str
    ) -> None:
        alternative = names.fresh()
        client.made("/alternative", {"name": alternative, "domain": domain})
        assert client.map(f"alias/ada@{alternative}") == user

    def test_an_alias_goes_on_naming_a_user_that_was_removed(
        self, client: Client, domain: str, user: str
    ) -> None:
        client.made("/alias", {"email": f"info@{domain}", "destination": [user]})
        client("DELETE", f"/user/{user}")
        assert client.map(f"alias/info@{domain}") == user

    def test_a_disabled_user_receives(self, client: Client, user: str) -> None:
        client("PATCH", f"/user/{user}", {"enabled": False})
        assert client.map(f"alias/{user}") == user
        assert client.map(f"mailbox/{user}") == user


@route("GET /internal/postfix/transport/{email*}")
@pytest.mark.parametrize(
    ("smtp", "transport"),
    [
        (SMTP, f"smtp:{SMTP}"),
        ("server.test", "smtp:[server.test]"),
        ("server.test:2525", "smtp:[server.test]:2525"),
        ("mx:server.test", "smtp:server.test"),
        ("lmtp:server.test:24", "lmtp:server.test:24"),
        ("[2001:db8::1]:25", "smtp:[ipv6:2001:db8::1]:25"),
    ],
)
def test_a_relay_names_the_next_server(
    client: Client, names: Names, smtp: str, transport: str
) -> None:
    name = names.fresh()
    client.made("/relay", {"name": name, "smtp": smtp})
    assert client.map(f"transport/{name}") == transport
    assert client.map(f"transport/anybody@{name}") == transport


def test_only_relays_have_a_transport(client: Client, user: str) -> None:
    for key in (user, "*", "[192.0.2.1]", "a@[192.0.2.1]"):
        assert client.map(f"transport/{key}") is None


def test_a_relay_without_smtp_is_500(client: Client, names: Names) -> None:
    name = names.fresh()
    client.made("/relay", {"name": name})
    assert_page(client.plain("GET", f"/internal/postfix/transport/{name}"), 500)


@route("GET /internal/postfix/sender/login/{email*}")
class TestOwners:
    """Who may send as an address."""

    @pytest.fixture(autouse=True)
    def call(self, client: Client, domain: str) -> None:
        client.map(f"sender/login/nobody@{domain}")

    def test_a_user_owns_its_address_whatever_the_detail(
        self, client: Client, domain: str, user: str
    ) -> None:
        assert user in client.map(f"sender/login/{user}").split(",")
        assert user in client.map(f"sender/login/ada+detail@{domain}").split(",")

    def test_each_destination_owns_an_alias(
        self, client: Client, names: Names, domain: str, user: str
    ) -> None:
        other = names.user(domain, "bob")
        client.made("/alias", {"email": f"info@{domain}", "destination": [user, other]})
        assert {user, other} <= set(client.map(f"sender/login/info@{domain}").split(","))

    def test_a_stranger_owns_nothing_of_another(
        self, client: Client, names: Names, user: str
    ) -> None:
        stranger = names.user(names.domain())
        assert stranger not in client.map(f"sender/login/{user}").split(",")

    def test_who_may_spoof_owns_everything(self, client: Client, names: Names, user: str) -> None:
        spoofer = names.user(names.domain(), allow_spoofing=True)
        assert spoofer in client.map(f"sender/login/{user}").split(",")
        assert spoofer in client.map("sender/login/anybody@elsewhere.test").split(",")


@route("GET /internal/postfix/sender/map/{email*}")
@route("GET /internal/postfix/recipient/map/{email*}")
def test_senders_of_other_domains_are_rewritten_relay_names_included(
    client: Client, names: Names
) -> None:
    alternative, relay = names.fresh(), names.fresh()
    name = names.domain(alternatives=[alternative])
    client.made("/relay", {"name": relay, "smtp": SMTP})
    assert client.map(f"sender/map/anybody@{name}") is None
    assert client.map(f"sender/map/anybody@{alternative}") is None
    for sender in ("ann@elsewhere.test", f"bounce@{relay}"):
        rewritten = client.map(f"sender/map/{sender}")
        local, _, host = sender.partition("@")
        assert re.match(rf"SRS0=[^=]+=[A-Z2-7]{{2}}={host}={local}@", rewritten)
        assert client.map(f"recipient/map/{rewritten}") == sender


def test_the_null_sender_and_senders_with_quotes_are_not_rewritten(client: Client) -> None:
    assert_page(client.plain("GET", "/internal/postfix/sender/map/"), 404)
    assert client.map('sender/map/"ann@home"@elsewhere.test') is None


def test_a_forged_rewritten_address_leads_nowhere(client: Client) -> None:
    rewritten = client.map("sender/map/ann@elsewhere.test")
    forged = rewritten.replace("=ann@", "=eve@")
    assert client.map(f"recipient/map/{forged}") is None
    assert client.map("recipient/map/ann@elsewhere.test") is None


@route("GET /internal/postfix/sender/rate/{email*}")
def test_the_51st_mail_of_a_day_is_refused_for_this_user_only(
    client: Client, names: Names, domain: str, user: str
) -> None:
    other = names.user(domain, "bob")
    assert [client.map(f"sender/rate/{user}") for _ in range(50)] == [None] * 50
    refusal = "450 4.2.1 You are sending too many emails too fast."
    assert client.map(f"sender/rate/{user}") == refusal
    assert client.map(f"sender/rate/{user}") == refusal
    assert client.map(f"sender/rate/{other}") is None
    assert client.map(f"sender/rate/nobody@{domain}") is None


@route("GET /internal/dovecot/passdb/{email*}")
@route("GET /internal/dovecot/userdb/{email*}")
@route("GET /internal/dovecot/userdb/")
@route("POST /internal/dovecot/quota/{resource}/{email*}")
@route("GET /internal/dovecot/sieve/name/{script}/{email*}")
@route("GET /internal/dovecot/sieve/data/default/{email*}")
def test_dovecot_gets_users_quotas_and_scripts(client: Client, domain: str, user: str) -> None:
    root = "/internal/dovecot"
    passdb = client.plain("GET", f"{root}/passdb/{user}").json()
    assert (passdb["password"], passdb["nopassword"]) == (None, "Y")
    assert passdb["allow_real_nets"]
    assert client.plain("GET", f"{root}/userdb/{user}").json() == {
        "quota_rule": "*:bytes=1000000000"
    }
    assert user in client.plain("GET", f"{root}/userdb/").json()
    used = client.plain("POST", f"{root}/quota/storage/{user}", 4096)
    assert (used.status_code, used.json()) == (200, None)
    assert client.shown(f"/user/{user}")["quota_bytes_used"] == 4096
    assert client.plain("GET", f"{root}/sieve/name/default/{user}").json() == "default"
    script = client.plain("GET", f"{root}/sieve/data/default/{user}").json()
    assert "spamtest" in script
    assert '"80"' in script
    for path in ("passdb", "userdb", "sieve/data/default"):
        assert_page(client.plain("GET", f"{root}/{path}/nobody@{domain}"), 404)


def test_a_disabled_user_is_left_out_of_dovecots_list(client: Client, user: str) -> None:
    client("PATCH", f"/user/{user}", {"enabled": False})
    assert user not in client.plain("GET", "/internal/dovecot/userdb/").json()
