"""A real host: its clock is proven, its resolver validates, mail leaves by Postfix alone."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from controlplane.ansible import faults
from controlplane.ansible.configurator import AnsibleConfigurator
from controlplane.reconciler.faults import OPERATION_ENDED
from kit.faults import Fault
from lab import network, time_server
from lab.nameserver.server import FOREIGN_DS
from lab.time_server import LIES, SILENT, TimeServer
from tests.support.faults import assert_shows

from .conftest import MailHost, playbooks_of

pytestmark = pytest.mark.hosts

OTHER_TIME = "198.18.0.3"
CONNECT = "timeout 60 bash -c 'exec 3<>/dev/tcp/{0}/25 && head -n 1 <&3' 2>&1"
BY_IPV6 = """
ip -6 address add fd00::2/64 dev eth0 nodad
timeout 60 bash -c 'exec 3<>/dev/tcp/fd00::1/80' 2>&1
ip -6 address del fd00::2/64 dev eth0
"""

HOLD = """
mkfifo /run/held
printf '#!/bin/sh\\nread -r _ < /run/held\\n' > /usr/local/bin/dpkg-query
chmod 755 /usr/local/bin/dpkg-query
"""
"""`List missing packages` waits for a writer of the pipe."""
RELEASE = """
test -p /run/held || exit 0
rm /usr/local/bin/dpkg-query
timeout 5 sh -c ': > /run/held'
rm /run/held
"""


@pytest.fixture(scope="module")
def base_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The playbooks with the role that these tests are about."""
    return playbooks_of(tmp_path_factory.mktemp("playbooks"), "base")


@pytest.fixture
def mail_host(mail_host: MailHost, base_alone: Path) -> MailHost:
    """The host, configured by all roles; runs of these tests have one."""
    return replace(mail_host, playbooks=base_alone)


@pytest.fixture
def other_time(lab: Any) -> Iterator[TimeServer]:
    """A time server that no other host of the lab asks."""

    def address(change: str) -> None:
        command = ("ip", "-n", network.NAMESPACE, "addr", change, f"{OTHER_TIME}/{network.LENGTH}")
        subprocess.run((*command, "dev", network.BRIDGE), check=True)

    address("add")
    server = TimeServer(network.datagrams(time_server.PORT, OTHER_TIME))
    server.start()
    yield server
    server.stop()
    address("del")


def run(host: Any, **overrides: object) -> int:
    """Run the playbooks with other variables of the roles."""
    changed: int = host.configurator(**overrides).configure(
        host.blueprint,
        host.observed,
        host.secrets,
        known_host=host.known_host,
        progress=host.lines.append,
    )
    return changed


def test_clock_that_is_not_proven_ends_the_run_before_any_change(mail_host, other_time) -> None:
    mail_host.shell("rm /etc/timezone")
    for fault, reason in (
        # Its answer may be late by the second that the question may take.
        (LIES, r"the clock is 3(599|600|601)\.\d s behind 198\.18\.0\.3 \(limit: 1 s\)"),
        (SILENT, r"no time server answers: 198\.18\.0\.3: timed out"),
    ):
        other_time.faults.inject(fault, -1)
        with pytest.raises(Fault) as caught:
            run(mail_host, base_time_servers=[OTHER_TIME])
        assert_shows(caught.value, faults.CLOCK_WRONG, reason=...)
        assert re.search(reason, str(caught.value))
        assert mail_host.shell("ls /etc/timezone") == ""
        other_time.faults.clear()

    assert mail_host.configure() == 1


def test_units_that_a_container_cannot_start_are_skipped_and_none_fails(mail_host) -> None:
    assert run(mail_host, base_swap_below_ram_mb=1 << 20) in {0, 1}  # by the size it has
    shown = mail_host.shell(
        "systemctl show -P ConditionResult chrony penguin-swap; systemctl --failed --no-legend"
    )
    assert shown.split() == ["no", "no"]
    assert run(mail_host, base_swap_below_ram_mb=0) == 1
    assert mail_host.shell("systemctl is-enabled chrony penguin-swap").split() == [
        "enabled",
        "disabled",
    ]
    assert mail_host.configure() in {0, 1}
    assert mail_host.configure() == 0


def test_host_resolves_by_itself(mail_host) -> None:
    shown = mail_host.shell(
        f"grep ^nameserver /etc/resolv.conf; getent ahostsv4 {mail_host.lab.echo_mx}"
    ).splitlines()
    assert shown[0] == "nameserver 127.0.0.1"
    assert len(shown) > 1


def test_resolver_that_cannot_validate_is_named_and_the_next_run_corrects_it(mail_host) -> None:
    with pytest.raises(Fault) as caught:
        run(
            mail_host,
            base_resolver_trust_anchor=f". IN DS {FOREIGN_DS}",
            base_resolver_patience=1,
        )
    reason = "the resolver does not validate: 127.0.0.1 answers example.org with SERVFAIL"
    assert_shows(caught.value, faults.RESOLVER_WRONG, reason=reason)
    assert mail_host.configure() > 0
    assert mail_host.configure() == 0


def test_mail_leaves_by_postfix_alone(mail_host, sink) -> None:
    connect = CONNECT.format(mail_host.lab.sender_address)
    by_postfix = f"setpriv --reuid postfix --clear-groups {connect}"

    assert mail_host.shell(by_postfix).startswith("220 ")
    for user in ("root", "nobody"):
        refused = mail_host.shell(f"setpriv --reuid {user} --clear-groups {connect}")
        assert "Connection refused" in refused, "rejected, not dropped"


def test_nothing_leaves_by_ipv6(mail_host) -> None:
    assert "Connection refused" in mail_host.shell(BY_IPV6)
    assert mail_host.shell("ping -6 -c1 -w2 ::1 >/dev/null && echo loopback") == "loopback\n"


@pytest.fixture
def held_before_the_services(mail_host) -> Iterator[None]:
    """Keep runs in the task between the files and their services, until the test has ended."""
    mail_host.shell(HOLD)
    yield
    mail_host.shell(RELEASE)


def test_run_that_was_ended_in_the_middle_is_completed_by_the_next(
    mail_host, held_before_the_services
) -> None:
    stop = Event()
    ended = AnsibleConfigurator(mail_host.configurator()._settings, stop=stop)
    mail_host.shell("rm /etc/unbound/unbound.conf /etc/systemd/journald.conf.d/penguin.conf")

    def progress(line: str) -> None:
        if "changed: Write the base configuration" in line:
            stop.set()

    with pytest.raises(Fault) as caught:
        ended.configure(
            mail_host.blueprint,
            mail_host.observed,
            mail_host.secrets,
            known_host=mail_host.known_host,
            progress=progress,
        )
    assert_shows(caught.value, OPERATION_ENDED, reason=...)
    mail_host.shell(RELEASE)
    before = mail_host.shell("systemctl show -P ActiveEnterTimestampMonotonic unbound")
    assert mail_host.configure() == 1, "what has older files runs again"
    assert mail_host.shell("systemctl show -P ActiveEnterTimestampMonotonic unbound") != before
    assert mail_host.configure() == 0


def test_upgrades_are_on_where_the_setting_says_so(mail_host) -> None:
    timers = "apt-daily.timer apt-daily-upgrade.timer"
    assert run(mail_host, base_automatic_upgrades=True) > 0
    assert run(mail_host, base_automatic_upgrades=True) == 0
    assert mail_host.shell(f"systemctl is-active {timers}").split() == ["active", "active"]
    shown = mail_host.shell("unattended-upgrade --dry-run -v 2>&1")
    origins = [
        "origin=Debian,codename=trixie,label=Debian",
        "origin=Debian,codename=trixie,label=Debian-Security",
        "origin=Debian,codename=trixie-security,label=Debian-Security",
    ]
    assert f"Allowed origins are: {', '.join(origins)}" in shown

    mail_host.configure()
    assert mail_host.configure() == 0
    assert mail_host.shell(f"systemctl is-enabled {timers}").split() == ["masked", "masked"]
    assert mail_host.shell(f"systemctl is-active {timers}").split() == ["inactive", "inactive"]
