"""`penguin keys` against a real API."""

from __future__ import annotations

import json

import pytest

from cli import faults
from controlplane import faults as api_faults
from tests.support.faults import assert_shows


def test_key_is_created_listed_and_revoked(plane, penguin, file, capsys, monkeypatch):
    penguin("apply", "-f", str(file))
    capsys.readouterr()
    assert penguin("keys", "create", "tenant/acme", "--scope", "tenants:read") == 0
    line, key = capsys.readouterr().out.splitlines()
    prefix = key[:16]
    assert line == f"key/{prefix} created; it is shown only now:"
    assert penguin("get", "keys", "--tenant", "acme") == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["PREFIX", "TENANT", "SCOPES", "AGE"]
    assert row.split()[:3] == [prefix, "acme", "tenants:read"]
    with monkeypatch.context() as context:
        context.setenv("PENGUIN_API_KEY", key)
        assert penguin("get", "tenants") == 0
        capsys.readouterr()
        assert penguin("delete", "tenant", "acme", "--yes") == 1
        assert_shows(capsys.readouterr().err, api_faults.SCOPE_MISSING, scope="tenants:write")
    assert penguin("keys", "revoke", prefix) == 1
    assert_shows(
        capsys.readouterr().err, faults.UNCONFIRMED, command=f"penguin keys revoke {prefix}"
    )
    assert penguin("keys", "revoke", prefix, "--yes", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out) == {"prefix": prefix, "outcome": "revoked"}
    assert penguin("get", "keys", "--tenant", "acme", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_key_of_an_operator_is_one_document(plane, penguin, capsys):
    assert penguin("keys", "create", "--operator", "-o", "json") == 0
    key = json.loads(capsys.readouterr().out)
    assert key["tenant"] is None
    assert key["key"].startswith(key["prefix"])
    assert penguin("get", "keys") == 0
    assert f"{key['prefix']}  (operator)" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [(), ("acme", "--operator")])
def test_key_of_neither_or_both_is_refused(plane, penguin, capsys, arguments):
    assert penguin("keys", "create", *arguments) == 1
    mistake = "a key belongs to a tenant or to an operator"
    remedy = "give the name of the tenant, or --operator"
    assert_shows(capsys.readouterr().err, faults.USAGE, mistake=mistake, remedy=remedy)


def test_key_of_a_tenant_that_does_not_exist_is_not_created(plane, penguin, capsys):
    assert penguin("keys", "create", "nope") == 1
    assert_shows(
        capsys.readouterr().err, api_faults.NOT_FOUND, kind="tenant", name="nope", plural="tenants"
    )


def test_key_that_does_not_exist_is_not_revoked(plane, penguin, capsys):
    assert penguin("keys", "revoke", "pm_live_nope", "--yes") == 1
    assert_shows(
        capsys.readouterr().err,
        api_faults.NOT_FOUND,
        kind="key",
        name="pm_live_nope",
        plural="keys",
    )
