"""Domains in passes of the reconciler: what one lacks holds back only itself."""

from __future__ import annotations

from controlplane.pulumi.faults import FAILED
from controlplane.verification.faults import MISSING, UNCLEAR
from tests.integration.controlplane.conftest import document
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped

__all__ = ["stepped"]
MANUAL = [{"name": "acme.example"}, {"name": "acme-mail.example", "dns": "manual"}]


async def test_manual_domain_without_records_holds_back_only_itself(
    stepped: SteppedReconciler,
) -> None:
    stepped.internet.wrong["domain/acme-mail.example", "dns.authoritative"] = MISSING
    await stepped.apply(domains=MANUAL)
    await stepped.step()
    assert await stepped.condition("Ready") == ("True", "Ready")
    assert await stepped.condition("SendingEnabled", "domain/acme-mail.example") == (
        "False",
        "DomainNotVerified",
    )
    assert await stepped.published() == {"acme.example": True, "acme-mail.example": False}


async def test_mail_that_is_not_taken_for_a_domain_without_records_holds_back_only_it(
    stepped: SteppedReconciler,
) -> None:
    manual = "domain/acme-mail.example"
    stepped.internet.wrong[manual, "dns.authoritative"] = MISSING
    stepped.internet.wrong[manual, "smtp.inbound"] = UNCLEAR
    await stepped.apply(domains=MANUAL)
    await stepped.step()
    assert await stepped.condition("Verified", manual) == ("Unknown", UNCLEAR.reason)
    assert await stepped.condition("Ready") == ("True", "Ready")

    del stepped.internet.wrong[manual, "dns.authoritative"]
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert await stepped.condition("Ready") == ("False", UNCLEAR.reason)


async def test_domain_that_becomes_manual_gets_a_key_with_a_manual_selector(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply(domains=[{"name": "acme.example"}, {"name": "acme-mail.example"}])
    await stepped.step()
    await stepped.apply(domains=MANUAL)
    await stepped.step()
    blueprint = (await stepped.api.get("/tenants/acme/blueprint")).json()
    selectors = {d["name"]: d["selector"] for d in blueprint["domains"]}
    assert selectors == {"acme.example": "pm202611", "acme-mail.example": "pm1"}
    aliases = {r["name"] for r in blueprint["records"] if r["type"] == "CNAME"}
    assert "pm1._domainkey.acme-mail.example" in aliases


async def test_domain_given_up_is_free_for_others_after_the_pass_that_removed_its_records(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply(domains=[{"name": "acme.example"}, {"name": "old.example"}])
    await stepped.step()
    other = document(
        "bob", hosts=[{"name": "mx1"}], domains=[{"name": "go.old.example"}], mailboxes=[]
    )

    await stepped.apply()
    assert (await stepped.api.post("/tenants", json=other)).status_code == 409
    await stepped.step()
    assert (await stepped.api.post("/tenants", json=other)).status_code == 201


async def test_domain_given_up_is_not_free_while_the_removal_of_its_records_fails(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply(domains=[{"name": "acme.example"}, {"name": "old.example"}])
    await stepped.step()
    stepped.cloud.failures = [FAILED(reason="no")]
    await stepped.apply()
    await stepped.step()
    other = document(
        "bob", hosts=[{"name": "mx1"}], domains=[{"name": "old.example"}], mailboxes=[]
    )
    assert (await stepped.api.post("/tenants", json=other)).status_code == 409


async def test_domain_with_a_missing_record_does_not_send(stepped: SteppedReconciler) -> None:
    stepped.internet.wrong["domain/acme.example", "dns.authoritative"] = MISSING
    await stepped.apply()
    await stepped.step()
    assert await stepped.condition("DnsReady") == ("False", "DnsMissing")
    assert await stepped.condition("SendingEnabled") == ("False", "DomainNotVerified")
    assert (await stepped.condition("Ready"))[0] == "False"
    stepped.internet.wrong = {}
    stepped.clock.advance(minutes=6)
    await stepped.step()
    assert await stepped.condition("Ready") == ("True", "Ready")
