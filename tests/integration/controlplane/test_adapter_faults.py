"""Faults that no test provokes in an adapter, as conditions and operations show them.

The others are raised by the real engine, Ansible and verifier in `tests/integration/provisioning`.
"""

from __future__ import annotations

from typing import Any

from controlplane.ansible.faults import HOST_KEY_CHANGED, SUPERSEDED
from controlplane.pulumi import faults as pulumi
from controlplane.verification.faults import PTR_NOT_CONFIRMED
from hostwinds import faults as hostwinds
from kit.faults import Code
from stacks import faults as program
from stacks.faults import CLOUDFLARE_ERROR
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.faults import assert_shows

__all__ = ["stepped"]

ENGINE: dict[Code, str] = {
    pulumi.DISK_FULL: "needs a full disk: test_full_disk.py fills one below the adapter",
    program.RECORD_REFUSED: "the emulated zone takes every record of a blueprint",
    pulumi.PROGRAM: "is a defect",
    pulumi.FAILED: "is the code of unknown errors",
    CLOUDFLARE_ERROR: "is retried by the plugin for minutes first",
    hostwinds.OUTCOME_UNKNOWN: "is looked up by the plugin at once, and shown in its log only",
    hostwinds.REFUSED: "the emulated account takes every order of a blueprint",
    hostwinds.SIZE_NOT_ON_OFFER: "every size of a document is on the emulated price list",
    hostwinds.LIMIT_REACHED: "needs an operator who limits purchases",
    hostwinds.FROZEN: "needs an operator who freezes it between two passes",
    hostwinds.SERVER_LOCKED: "needs a person who locks a server in the portal",
    hostwinds.POINTER_IMPORT: "only `pulumi import` by hand asks for it",
    hostwinds.NOT_IN_EFFECT: "is waited for as long as a deletion may take",
    hostwinds.SEVERAL_SERVERS: "needs a person who gives two servers one name",
    hostwinds.VANISHED: "needs a person who ends a server in the portal",
    hostwinds.SUPERSEDED: "needs a second holder of the lease between two calls",
    hostwinds.INTERRUPTED: "needs the plugin to end between two calls",
    hostwinds.REPLACEMENT_NAME: "the blueprint gives a replacement another name",
    hostwinds.PENDING: "is a condition of its address, without a code",
    hostwinds.DEFECT: "is a defect",
}
"""Faults of an engine run, with the reason why a test double raises them."""


async def last_operation(stepped: SteppedReconciler) -> dict[str, Any]:
    """Return the newest operation as the API shows it."""
    return dict((await stepped.api.get("/tenants/acme/operations")).json()["items"][0])


async def apply_another(stepped: SteppedReconciler, number: int) -> None:
    """Apply another document, so that a stalled tenant is tried again."""
    await stepped.apply(mailboxes=[{"address": f"m{number}@acme.example"}])
    stepped.clock.advance(minutes=6)


async def test_fault_of_an_engine_run_is_shown(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    for number, code in enumerate(ENGINE):
        await apply_another(stepped, number)
        stepped.cloud.failures = [code.shown().at("stack/acme")]
        assert await stepped.step()
        assert_shows(await stepped.shown_condition("InfrastructureReady"), code)
        assert_shows(await last_operation(stepped), code)


async def test_changed_host_key_is_shown(stepped: SteppedReconciler) -> None:
    """Ansible would need a host at port 22 of an address that another host had before."""
    await stepped.apply()
    stepped.configurator.fail_next("mx1", HOST_KEY_CHANGED.shown())
    assert await stepped.step()
    assert_shows(await stepped.shown_condition("HostsConfigured", "host/mx1"), HOST_KEY_CHANGED)
    assert_shows(await last_operation(stepped), HOST_KEY_CHANGED)


async def test_host_that_a_later_run_has_taken_over_is_shown(stepped: SteppedReconciler) -> None:
    """The later run would need a process of its own, and a host."""
    await stepped.apply()
    stepped.configurator.fail_next("mx1", SUPERSEDED.shown())
    assert await stepped.step()
    assert_shows(await stepped.shown_condition("HostsConfigured", "host/mx1"), SUPERSEDED)
    assert_shows(await last_operation(stepped), SUPERSEDED)


async def test_unconfirmed_reverse_name_is_shown(stepped: SteppedReconciler) -> None:
    """With a real name server, a missing address record causes a more general fault first."""
    await stepped.apply()
    stepped.internet.wrong = {("address/mx1-2", "fcrdns"): PTR_NOT_CONFIRMED}
    assert await stepped.step()
    assert_shows(await stepped.shown_condition("DnsReady", "address/mx1-2"), PTR_NOT_CONFIRMED)
