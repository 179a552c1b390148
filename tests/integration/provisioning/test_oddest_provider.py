"""With every switch of the emulated provider at its oddest a tenant gets its DNS, bought once.

Each fault that a person must end is named by the condition, with what the provider said.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hostwinds import faults as provider
from kit.faults import Code
from lab.hostwinds.account import HostwindsAccount
from tests.support.faults import any_values, assert_shows
from tests.support.installation import PLATFORM
from tests.support.oddest import DELAYS, FORMS

from .conftest import Cloud
from .control_plane import FILE, CommandLine, ControlPlane

pytestmark = pytest.mark.engine

PORTS = (22, 25, 587)
Step = tuple[Callable[[HostwindsAccount], object], Callable[[HostwindsAccount], object], Code, str]
"""What goes wrong, what ends it, the code of the condition, and a part of its message."""


def fault(name: str, *, action: str = "") -> Callable[[HostwindsAccount], object]:
    """Let an action fail until faults are cleared."""

    def inject(account: HostwindsAccount) -> None:
        account.settings.only = action
        account.faults.inject(name, times=-1)

    return inject


def clear(account: HostwindsAccount) -> None:
    account.faults.clear()
    account.settings.only = ""


def setting(name: str, value: object) -> Callable[[HostwindsAccount], object]:
    return lambda account: account.switchboard.change({name: value})


def profile(*ports: int) -> Callable[[HostwindsAccount], object]:
    return lambda account: account.make_profile(PLATFORM.firewall_profile, ports)


def without_profile(account: HostwindsAccount) -> None:
    account.remove_profile(PLATFORM.firewall_profile)


BEFORE: list[Step] = [
    (setting("key", "rotated"), setting("key", "valid"), provider.UNAUTHORIZED, "valid serviceid"),
    (
        setting("prices", dict.fromkeys(("53", "54"), "99.00")),
        setting("prices", {}),
        provider.PRICE_NOT_AGREED,
        "99.00",
    ),
    (without_profile, profile(*PORTS), provider.FIREWALL_PROFILE_MISSING, "penguin-mail"),
    (fault("payment_refused"), clear, provider.REFUSED, "The payment was declined"),
    (
        fault("odd_read", action="get_price_list"),
        clear,
        provider.UNCLEAR,
        "Your account is on hold",
    ),
]
"""Nothing is bought while one of these lasts."""
AFTER: list[Step] = [
    (
        fault("odd_change", action="set_instance_firewall"),
        clear,
        provider.UNCLEAR,
        "Your account is on hold",
    ),
    (profile(22, 80), profile(*PORTS), provider.FIREWALL_PROFILE_LACKS, "25/tcp in, 587/tcp in"),
]
"""The server is there, and used as it is when the fault has ended."""


def test_tenant_gets_its_dns_and_every_fault_is_named(
    control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine
) -> None:
    account = cloud.hostwinds
    without_profile(account)
    account.switchboard.change({**FORMS, **dict.fromkeys(DELAYS, 0.1)})
    profile(*PORTS)(account)

    for steps, bought in ((BEFORE, []), (AFTER, ["server"])):
        for cause, end, code, said in steps:
            cause(account)
            penguin.apply(FILE)
            control_plane.reconcile()
            condition = penguin.condition("InfrastructureReady")
            assert_shows(condition, code, **any_values(code))
            assert said in condition["message"]
            assert cloud.bought() == bought
            end(account)

    penguin.apply(FILE)
    control_plane.reconcile()
    waited = penguin("wait", "tenant", "acme", "--for=condition=DnsReady", "--timeout=0s")
    assert waited.status == 0, waited.err + penguin("describe", "tenant", "acme").out
    [server] = account.all_servers()
    assert server.profiles == ["default", "hw_48213 penguin-mail"]
    assert cloud.nameserver.pointers[server.main_ip] == "mx1.acme.example"

    for key, remaining in (("rotated", [server]), ("valid", [])):
        account.switchboard.change({"key": key})
        assert penguin("delete", "tenant", "acme", "--yes").status == 0
        control_plane.reconcile()
        assert list(account.all_servers()) == remaining
    assert account.charges()["usd_a_month"] == "0.00"
