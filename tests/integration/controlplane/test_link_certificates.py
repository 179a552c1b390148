"""The name for links gets a certificate once it leads here, and is proven by it."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization

from controlplane.certificates import PUBLIC_KEYS, repository
from controlplane.certificates.repository import key_context
from controlplane.database import CONTROLLER
from controlplane.reconciler.authority import Account, OrderStatus, Proof
from controlplane.verification import faults
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.installation import PLATFORM
from tests.support.memory_authority import MemoryAuthority, Records, memory_ports
from tests.support.phases import standard
from vault import VaultError

__all__ = ["stepped"]
NAME, SUBJECT = "u.acme.example", "domain/acme.example"


class HttpAuthority(MemoryAuthority):
    """Verifies names for links without a look at port 80."""

    def answer(self, account: Account, proof: Proof) -> None:
        order = self.orders[proof.url]
        if order.name.startswith("u."):
            order.status = OrderStatus.READY
        else:
            super().answer(account, proof)


@pytest.fixture
def authority(stepped: SteppedReconciler) -> HttpAuthority:
    """Let the reconciler have a public address and an authority."""
    authority = HttpAuthority(Records(), stepped.clock)
    stepped.platform = PLATFORM.model_copy(update={"public_address": "192.0.2.80"})
    stepped.phases = standard(
        stepped.cloud,
        stepped.internet,
        stepped.configurator,
        servers=stepped.cloud.account,
        spools=stepped.spools,
        certificates=memory_ports(authority),
        links=stepped.links,
    )
    return authority


async def rows(stepped: SteppedReconciler) -> dict[str, str]:
    """Return the sealed keys of certificates, by name."""
    names = [NAME, "mx1.acme.example"]
    async with stepped.database.begin(CONTROLLER) as connection:
        found = await repository.current(connection, names, now=stepped.clock())
    return {name: row.sealed_key for name, row in found.items()}


async def test_it_is_ordered_once_the_name_leads_here(
    stepped: SteppedReconciler, authority: HttpAuthority
) -> None:
    stepped.links.wrong["acme.example"] = ("links.name", faults.LINKS_ELSEWHERE)
    await stepped.apply()
    await stepped.step()
    assert [order.name for order in authority.orders.values()] == ["mx1.acme.example"]
    assert await stepped.condition("CertificatesReady", SUBJECT) == ("True", "NameElsewhere")
    assert await stepped.condition("Ready", SUBJECT) == ("True", "Ready")
    stepped.links.wrong["acme.example"] = ("links.https", faults.LINKS_NOT_SERVED)
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert await stepped.condition("CertificatesReady", SUBJECT) == ("True", "Issued")
    assert (await rows(stepped)).keys() == {NAME, "mx1.acme.example"}


async def test_its_key_is_sealed_for_the_public_endpoints_alone(
    stepped: SteppedReconciler, authority: HttpAuthority
) -> None:
    del authority
    await stepped.apply()
    await stepped.step()
    sealed = await rows(stepped)
    public = stepped.vault.derived(PUBLIC_KEYS)
    key = public.open(sealed[NAME], context=key_context(NAME))
    serialization.load_pem_private_key(key, password=None)
    with pytest.raises(VaultError):
        public.open(sealed["mx1.acme.example"], context=key_context("mx1.acme.example"))


async def test_name_that_leads_elsewhere_keeps_its_certificate_and_is_not_renewed(
    stepped: SteppedReconciler, authority: HttpAuthority
) -> None:
    await stepped.apply()
    await stepped.step()
    before = await rows(stepped)
    stepped.links.wrong["acme.example"] = ("links.name", faults.LINKS_ELSEWHERE)
    stepped.clock.advance(days=61)
    await stepped.step()
    after = await rows(stepped)
    assert after[NAME] == before[NAME]
    assert after["mx1.acme.example"] != before["mx1.acme.example"]
    stepped.links.wrong.clear()
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert (await rows(stepped))[NAME] != before[NAME]
    assert len(authority.orders) == 4


async def test_without_a_public_address_its_certificate_is_forgotten(
    stepped: SteppedReconciler, authority: HttpAuthority
) -> None:
    del authority
    await stepped.apply()
    await stepped.step()
    stepped.platform = PLATFORM
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert (await rows(stepped)).keys() == {"mx1.acme.example"}
    assert await stepped.condition("CertificatesReady", SUBJECT) == ("True", "PlatformHost")
