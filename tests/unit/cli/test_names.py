"""`tenant/acme` and `tenant acme` are the same, wherever a resource or a tenant is named."""

from __future__ import annotations

import pytest

from cli.names import named, reference, tenant_name, tenant_of
from kit.faults import Fault


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["hosts"], "host"),
        (["host/mx1"], "host/mx1"),
        (["host", "mx1"], "host/mx1"),
        (["hosts", "mx1"], "host/mx1"),
        (["Hosts", "mx1"], "host/mx1"),
        (["tenants.penguinmails.dev/acme"], "tenant/acme"),
        (["mailbox/sales@acme.example"], "mailbox/sales@acme.example"),
        (["purchase/1001/mx1-2"], "purchase/1001/mx1-2"),
        (["purchase", "1001/mx1-2"], "purchase/1001/mx1-2"),
    ],
)
def test_reference_reads_both_forms(words, expected):
    assert str(reference(words)) == expected


@pytest.mark.parametrize("words", [["acme"], ["tenant/acme"], ["tenant", "acme"], ["tenants/acme"]])
def test_tenant_reads_every_form(words):
    assert tenant_name(words) == "acme"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the kind of resource is missing"),
        (["server"], "server is not a kind of resource"),
        (["host", "mx1", "mx2"], "more than one"),
        (["host/"], "the name of the host is empty"),
        (["host/ "], "the name of the host is empty"),
    ],
)
def test_reference_to_nothing_is_a_usage_error(words, message):
    with pytest.raises(Fault, match=message):
        reference(words)


@pytest.mark.parametrize("words", [["tenant"], ["tenant/"], ["host/mx1"], ["acme", "zoo"]])
def test_tenant_that_is_none_is_a_usage_error(words):
    with pytest.raises(Fault):
        tenant_name(words)


@pytest.mark.parametrize("words", [["events"], ["event/7"], ["stops"]])
def test_named_of_a_kind_without_names_is_a_usage_error(words):
    with pytest.raises(Fault, match="have no names"):
        named(words)


def test_named_without_a_name_is_a_usage_error():
    with pytest.raises(Fault, match="the name of the host is missing"):
        named(["host"])


def test_tenant_given_twice_is_a_usage_error():
    with pytest.raises(Fault, match="given twice"):
        tenant_of(["acme"], "acme")
    assert tenant_of(None, "tenant/acme") == "acme"
    assert tenant_of(None, None) is None
