"""Whatever tenants list, the objects of each are in its own domains."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from blueprint.mail_address import domain_of
from controlplane.mailu.declared import (
    Declared,
    DeclaredDomain,
    DeclaredMailbox,
    TenantMail,
    declared,
)
from controlplane.mailu.wanted import AnyWanted, WantedAlias, WantedRelay
from tests.support.mailu_tenants import ACME, BOLT

DOMAINS = st.sampled_from(
    ["acme.example", "b.acme.example", "bolt.example", "b.bolt.example", "x.b.bolt.example"]
)
ADDRESSES = st.builds(lambda local, domain: f"{local}@{domain}", st.sampled_from("ab"), DOMAINS)


def lists(tenant: str) -> st.SearchStrategy[TenantMail]:
    """Return what a tenant may list."""
    domain = st.builds(DeclaredDomain, DOMAINS, st.just("AAAA"), catch_all=st.none() | ADDRESSES)
    mailbox = st.builds(
        DeclaredMailbox, ADDRESSES, st.just(1), st.lists(ADDRESSES, max_size=2).map(tuple)
    )
    return st.builds(
        TenantMail,
        st.just(tenant),
        st.lists(domain, max_size=3).map(tuple),
        st.lists(mailbox, max_size=3).map(tuple),
        st.lists(DOMAINS, max_size=2).map(tuple),
    )


def place(wanted: AnyWanted) -> set[str]:
    """Return the domains that an object is in and leads to."""
    leads_to = {domain_of(wanted.destination)} if isinstance(wanted, WantedAlias) else set()
    return {domain_of(wanted.key)} | leads_to


def names(each: TenantMail) -> set[str]:
    return {domain.name for domain in each.domains}


@settings(max_examples=50)
@given(lists("acme"), lists("bolt"))
def test_no_object_of_a_tenant_is_in_a_domain_that_another_lists(
    acme: TenantMail, bolt: TenantMail
) -> None:
    found = declared([acme, bolt])
    listed = {"acme": names(acme), "bolt": names(bolt)}
    for wanted in found.objects:
        other = "bolt" if wanted.tenant == "acme" else "acme"
        if not isinstance(wanted, WantedRelay):
            assert place(wanted) <= listed[wanted.tenant]
        assert not place(wanted) & listed[other]
        assert not place(wanted) & found.held


@settings(max_examples=50)
@given(lists("acme"), lists("bolt"))
def test_no_name_is_wanted_twice(acme: TenantMail, bolt: TenantMail) -> None:
    objects = declared([acme, bolt]).objects
    keys = [(each.kind.name, each.key) for each in objects if not _is_repeated(each, acme, bolt)]
    assert len(set(keys)) == len(keys)


def _is_repeated(wanted: AnyWanted, *tenants: TenantMail) -> bool:
    """Whether a tenant lists a name twice, which its document cannot."""
    [own] = [each for each in tenants if each.tenant == wanted.tenant]
    boxes = [box.address for box in own.mailboxes]
    listed = [domain.name for domain in own.domains] + boxes + list(own.return_paths)
    domain = domain_of(wanted.key)
    return listed.count(wanted.key) > 1 or listed.count(domain) > 1


@settings(max_examples=50)
@given(lists("acme"), lists("bolt"))
def test_the_order_of_tenants_means_nothing(acme: TenantMail, bolt: TenantMail) -> None:
    def content(found: Declared) -> tuple[object, ...]:
        reports = sorted((f.tenant or "", f.subject, f.fault.message) for f in found.findings)
        return sorted(map(repr, found.objects)), found.held, reports

    assert content(declared([acme, bolt])) == content(declared([bolt, acme]))


def test_objects_come_after_those_that_they_need() -> None:
    objects = declared([ACME, BOLT]).objects
    order = [each.kind.name for each in objects]
    assert order == sorted(order, key=["domain", "user", "alias", "relay"].index)


def test_two_tenants_without_disputes_have_no_findings() -> None:
    found = declared([ACME, BOLT])
    assert found.findings == ()
    assert found.held == frozenset()
    for first, second in combinations(found.objects, 2):
        assert (first.kind, first.key) != (second.kind, second.key)


def test_addresses_that_every_domain_must_have_may_be_declared() -> None:
    own = DeclaredMailbox("postmaster@acme.example", 1, ("abuse@acme.example",))
    domain = DeclaredDomain("acme.example", "AAAA")
    objects = declared([TenantMail("acme", (domain,), (own,))]).objects
    assert [(each.kind.name, each.key) for each in objects] == [
        ("domain", "acme.example"),
        ("user", "penguinmails@acme.example"),
        ("user", "postmaster@acme.example"),
        ("alias", "abuse@acme.example"),
    ]
