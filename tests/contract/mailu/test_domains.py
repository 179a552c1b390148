"""Domains: making, reading, changing and removing them; names; DKIM is in test_keys."""

from __future__ import annotations

import pytest

from .client import Client, assert_message, assert_plain_message, route
from .conftest import Names

FIELDS = {
    "name",
    "comment",
    "managers",
    "max_users",
    "max_aliases",
    "max_quota_bytes",
    "signup_enabled",
    "alternatives",
    "dns_autoconfig",
    "dns_mx",
    "dns_spf",
    "dns_dkim",
    "dns_dmarc",
    "dns_dmarc_report",
    "dns_tlsa",
}
NULL_WITHOUT_A_KEY = {"dns_dkim", "dns_dmarc", "dns_dmarc_report"}
INVALID = ["nodot", "a_b.test", "*.a.test", "192.0.2.1", "-a.test", "a..test"]


@route("POST /api/v1/domain")
@route("GET /api/v1/domain/{domain}")
def test_a_new_domain_has_the_defaults(client: Client, names: Names) -> None:
    name = names.fresh()
    assert_message(client("POST", "/domain", {"name": name}), 200)
    shown = client.shown(f"/domain/{name}")
    assert set(shown) == FIELDS
    assert {key for key, value in shown.items() if value is None} == NULL_WITHOUT_A_KEY
    assert shown["name"] == name
    assert (shown["max_users"], shown["max_aliases"], shown["max_quota_bytes"]) == (-1, -1, 0)
    assert shown["signup_enabled"] is False
    assert shown["managers"] == shown["alternatives"] == []


def test_a_domain_keeps_what_it_is_made_with(client: Client, names: Names) -> None:
    fields = {"comment": "pm:t", "max_users": 3, "max_aliases": 0, "max_quota_bytes": 10**9}
    other = names.fresh()
    name = names.domain(**fields, signup_enabled=True, alternatives=[other])
    shown = client.shown(f"/domain/{name}")
    assert {key: shown[key] for key in fields} == fields
    assert shown["signup_enabled"] is True
    assert shown["alternatives"] == [other]


@pytest.mark.parametrize("form", [str, str.upper], ids=["same", "other case"])
def test_making_it_again_is_409(client: Client, domain: str, form: type[str]) -> None:
    assert_message(client("POST", "/domain", {"name": form(domain)}), 409)


@pytest.mark.parametrize("kind", ["alternative", "relay"])
def test_a_name_that_is_used_otherwise_is_409(client: Client, names: Names, kind: str) -> None:
    used = names.fresh()
    body = {"domain": names.domain()} if kind == "alternative" else {}
    client.made(f"/{kind}", {"name": used, **body})
    for name in (used, used.upper()):
        assert_message(client("POST", "/domain", {"name": name}), 409)


@pytest.mark.parametrize("name", [*INVALID, "a.test."])
def test_making_one_with_an_invalid_name_is_400(client: Client, name: str) -> None:
    assert_message(client("POST", "/domain", {"name": name}), 400)


@pytest.mark.parametrize("suffix", ["test", "internal"])
def test_reserved_top_level_names_are_accepted(client: Client, names: Names, suffix: str) -> None:
    name = f"{names.fresh().removesuffix('test')}{suffix}"
    client.made("/domain", {"name": name})
    assert_message(client("DELETE", f"/domain/{name}"), 200)


def test_international_names_are_shown_in_unicode(client: Client, names: Names) -> None:
    name = f"bücher.{names.suffix}"
    client.made("/domain", {"name": name})
    assert client.shown(f"/domain/{name}")["name"] == name
    assert client.shown(f"/domain/xn--bcher-kva.{names.suffix}")["name"] == name


def test_names_are_looked_up_in_any_case(client: Client, domain: str) -> None:
    assert client.shown(f"/domain/{domain.upper()}")["name"] == domain


@pytest.mark.parametrize("name", INVALID)
def test_reading_an_invalid_name_is_200_with_the_code_400(client: Client, name: str) -> None:
    assert_message(client("GET", f"/domain/{name}"), 400, status=200)


@pytest.mark.parametrize("name", INVALID)
def test_every_other_path_says_400_for_an_invalid_name(client: Client, name: str) -> None:
    assert_message(client("PATCH", f"/domain/{name}", {}), 400)
    assert_message(client("DELETE", f"/domain/{name}"), 400)
    assert_message(client("POST", f"/domain/{name}/dkim"), 400)
    assert_message(client("GET", f"/domain/{name}/users"), 400)
    assert_message(client("GET", f"/domain/{name}/manager"), 400)
    assert_message(client("GET", f"/alternative/{name}"), 400)
    assert_message(client("GET", f"/relay/{name}"), 400)
    assert_message(client("GET", f"/alias/destination/{name}"), 400)


def test_an_unknown_domain_is_404(client: Client, names: Names) -> None:
    name = names.fresh()
    assert_message(client("GET", f"/domain/{name}"), 404)
    assert_message(client("DELETE", f"/domain/{name}"), 404)
    assert_message(client("POST", f"/domain/{name}/dkim"), 404)
    assert_message(client("GET", f"/domain/{name}/users"), 404)
    assert_message(client("GET", f"/domain/{name}/manager"), 404)


def test_the_name_of_an_alternative_is_no_domain(client: Client, names: Names) -> None:
    other = names.fresh()
    names.domain(alternatives=[other])
    assert_message(client("GET", f"/domain/{other}"), 404)


@route("PATCH /api/v1/domain/{domain}")
def test_changing_any_part_leaves_the_rest(client: Client, names: Names) -> None:
    name = names.domain(comment="before", max_users=2)
    before = client.shown(f"/domain/{name}")
    assert_message(client("PATCH", f"/domain/{name}", {"comment": "after"}), 200)
    assert client.shown(f"/domain/{name}") == {**before, "comment": "after"}
    assert_message(client("PATCH", f"/domain/{name}", {}), 200)
    assert client.shown(f"/domain/{name}") == {**before, "comment": "after"}


def test_a_change_of_the_name_is_accepted_and_changes_nothing(
    client: Client, names: Names, domain: str
) -> None:
    other = names.fresh()
    assert_message(client("PATCH", f"/domain/{domain}", {"name": other}), 200)
    assert client.shown(f"/domain/{domain}")["name"] == domain
    assert_message(client("GET", f"/domain/{other}"), 404)


def test_changing_an_unknown_domain_is_500(client: Client, names: Names) -> None:
    assert_plain_message(client("PATCH", f"/domain/{names.fresh()}", {"comment": "x"}), 500)


def test_changing_alternatives_only_adds(client: Client, names: Names) -> None:
    first, second = names.fresh(), names.fresh()
    name = names.domain(alternatives=[first])
    assert_message(client("PATCH", f"/domain/{name}", {"alternatives": [second]}), 200)
    assert set(client.shown(f"/domain/{name}")["alternatives"]) == {first, second}
    assert_message(client("PATCH", f"/domain/{name}", {"alternatives": []}), 200)
    assert set(client.shown(f"/domain/{name}")["alternatives"]) == {first, second}


def test_an_alternative_that_is_there_is_409_and_nothing_is_added(
    client: Client, names: Names
) -> None:
    first, second = names.fresh(), names.fresh()
    name = names.domain(alternatives=[first])
    body = {"alternatives": [second, first], "comment": "changed"}
    assert_message(client("PATCH", f"/domain/{name}", body), 409)
    shown = client.shown(f"/domain/{name}")
    assert (shown["alternatives"], shown["comment"]) == ([first], "")


def test_an_alternative_that_is_named_twice_is_409(client: Client, names: Names) -> None:
    other = names.fresh()
    assert_message(
        client("POST", "/domain", {"name": names.fresh(), "alternatives": [other, other]}), 409
    )


@pytest.mark.parametrize("invalid", ["a_b.test", "*.a.test"])
def test_an_invalid_alternative_is_500(
    client: Client, names: Names, domain: str, invalid: str
) -> None:
    body = {"alternatives": [invalid]}
    assert_plain_message(client("PATCH", f"/domain/{domain}", body), 500)
    name = names.fresh()
    assert_plain_message(client("POST", "/domain", {"name": name, **body}), 500)
    assert_message(client("GET", f"/domain/{name}"), 404)


def test_a_number_that_needs_more_than_64_bits_is_500(client: Client, domain: str) -> None:
    body = {"max_quota_bytes": 2**63}
    assert_plain_message(client("PATCH", f"/domain/{domain}", body), 500)
    assert client.shown(f"/domain/{domain}")["max_quota_bytes"] == 0


@route("DELETE /api/v1/domain/{domain}")
def test_removing_a_domain_takes_all_that_is_in_it_along(client: Client, names: Names) -> None:
    other, elsewhere = names.fresh(), names.domain()
    name = names.domain(alternatives=[other])
    user = names.user(name)
    guest = names.user(elsewhere)
    client.made("/alias", {"email": f"info@{name}", "destination": [user]})
    client.made(f"/domain/{elsewhere}/manager", {"user_email": user})
    token = names.token(user)
    assert_message(client("DELETE", f"/domain/{name}"), 200)
    assert_message(client("DELETE", f"/domain/{name}"), 404)
    for path in (f"/user/{user}", f"/alias/info@{name}", f"/alternative/{other}"):
        assert_message(client("GET", path), 404)
    assert_message(client("GET", f"/token/{token['id']}"), 404)
    assert client.shown(f"/domain/{elsewhere}/manager") == {"managers": []}
    assert client.shown(f"/user/{guest}")["email"] == guest


@route("GET /api/v1/domain")
def test_the_list_leaves_null_fields_out(client: Client, domain: str) -> None:
    (listed,) = [each for each in client.shown("/domain") if each["name"] == domain]
    assert set(listed) == FIELDS - NULL_WITHOUT_A_KEY


@pytest.mark.parametrize("mask", ["name,comment", "{name,comment}", "name, comment"])
def test_a_mask_leaves_these_fields_of_the_list(client: Client, names: Names, mask: str) -> None:
    name = names.domain(comment="pm:t")
    listed = client.shown("/domain", extra={"X-Fields": mask})
    assert {"name": name, "comment": "pm:t"} in listed
    assert {frozenset(each) for each in listed} == {frozenset({"name", "comment"})}


@pytest.mark.parametrize("mask", ["{name", "name}", "{name,{comment}"])
@pytest.mark.parametrize("path", ["/domain", "/user", "/alias", "/relay", "/token"])
def test_a_broken_mask_is_400(client: Client, mask: str, path: str) -> None:
    assert_plain_message(client("GET", path, extra={"X-Fields": mask}), 400)


def test_a_mask_has_no_effect_on_single_objects(client: Client, domain: str) -> None:
    assert set(client.shown(f"/domain/{domain}", extra={"X-Fields": "name"})) == FIELDS


@route("GET /api/v1/domain/{domain}/users")
def test_the_users_of_a_domain_show_null_whatever_the_mask(client: Client, names: Names) -> None:
    name = names.domain()
    user = names.user(name)
    names.user(names.domain())
    listed = client.shown(f"/domain/{name}/users", extra={"X-Fields": "email"})
    assert listed == [client.shown(f"/user/{user}")]
    assert listed[0]["reply_subject"] is None


def test_suggested_records(client: Client, domain: str) -> None:
    shown = client.shown(f"/domain/{domain}")
    assert shown["dns_mx"].startswith(f"{domain}. 600 IN MX 10 ")
    host = shown["dns_mx"].split()[-1].removesuffix(".")
    assert shown["dns_spf"] == f'{domain}. 600 IN TXT "v=spf1 mx a:{host} ~all"'
    assert isinstance(shown["dns_tlsa"], list)
    assert all(f"{domain}. 600 IN " in each for each in shown["dns_autoconfig"])
