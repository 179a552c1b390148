"""Ordered servers are real hosts: they boot, admit root, lose power, and have what was bought."""

from __future__ import annotations

import re
import secrets
import shlex
import socket
from contextlib import suppress

import paramiko
import pytest

from tests.support.greeting import greeting
from tests.support.provider import Customer, Server
from tests.support.waiting import SECONDS, wait_for

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def server(customer: Customer) -> Server:
    return customer.order(f"lab-{secrets.token_hex(3)}")


@pytest.fixture
def root(server, as_root):
    """Run a command on the server as root, with the password of the order."""
    return lambda command: as_root(server.address, server.password, command)


class TestOrder:
    def test_server_that_is_active_accepts_root_by_its_password(self, server, root) -> None:
        assert root("hostname").strip() == server.name
        assert root("systemctl is-system-running --wait").strip() == "running"
        assert root(". /etc/os-release; echo $ID $VERSION_ID").strip() == "debian 13"

    def test_server_has_only_the_package_source_of_the_lab(self, lab, root) -> None:
        assert root("apt-get -qq update && apt-get -s install postfix | grep -c ^Inst") > "0"
        assert lab.packages in root("cat /etc/apt/sources.list")

    def test_server_uses_the_name_server_of_the_lab(self, lab, root) -> None:
        assert root("cat /etc/resolv.conf").split()[-1] == lab.resolver

    def test_address_of_a_new_server_has_the_providers_name(self, server, root) -> None:
        assert re.search(r"hwsrv-\d+\.hostwindsdns\.com", root(f"getent hosts {server.address}"))


class TestAddresses:
    def test_address_that_was_bought_works_at_once_and_after_a_reboot(
        self, customer, server
    ) -> None:
        address = customer.attach(server.service_id)
        assert greeting(address, 22)
        customer.call("reboot", serviceid=server.service_id)
        assert greeting(address, 22)

    def test_address_that_was_not_bought_is_unreachable(self, server, root) -> None:
        root("ip addr add 198.18.77.7/15 dev eth0")
        assert not greeting("198.18.77.7", 22, 1)
        assert greeting(server.address, 22)

    def test_server_reaches_nothing_outside_of_the_lab(self, root) -> None:
        answer = root("timeout 2 bash -c 'exec 3<>/dev/tcp/192.0.2.2/22' || echo closed")
        assert "closed" in answer


BANNER = """
import socket
with socket.create_server(("", 25)) as server:
    while True:
        stream, _ = server.accept()
        stream.sendall(b"220 hello")
        while stream.recv(64):
            stream.sendall(b"250 again")
"""
"""Answers at port 25, and to whatever is sent on a connection."""
MAIL = "lab-mail"


def rule(direction: str, port: int | None = None) -> dict[str, object]:
    names = {"protocol": "tcp" if port else None, "port_range_min": port, "port_range_max": port}
    return {"direction": direction, "ethertype": "IPv4", "description": "", **names}


class TestFirewall:
    """The provider's firewall is in front of the server: what no rule allows does not pass."""

    @pytest.fixture
    def profile(self, server, customer):
        """Choose a profile, of the account or of the provider."""

        def choose(name: str) -> None:
            made = customer.portal("profiles", name=MAIL, ports=[22, 25])
            [whole] = [listed["name"] for listed in made if listed["name"].endswith(name)]
            customer.call("set_instance_firewall", serviceid=server.service_id, name=whole)

        choose("default")
        yield choose
        choose("default")

    @pytest.fixture(autouse=True)
    def listening(self, root, profile) -> None:
        command = f"systemd-run --collect --unit=banner python3 -c {shlex.quote(BANNER)}"
        root(f"systemctl is-active banner || {command}")
        wait_for(lambda: root("ss -Hltn sport = :25"))

    def test_new_server_lets_ssh_in_and_no_mail_also_after_a_reboot(self, customer, server) -> None:
        assert greeting(server.address, 22)
        assert not greeting(server.address, 25, 1)
        customer.call("reboot", serviceid=server.service_id)
        assert greeting(server.address, 22)
        assert not greeting(server.address, 25, 1)

    def test_profile_lets_pass_at_once_and_its_removal_ends_connections(
        self, server, profile
    ) -> None:
        profile(MAIL)
        with socket.create_connection((server.address, 25), SECONDS) as stream:
            assert stream.recv(64) == b"220 hello"
            profile("web")
            assert not greeting(server.address, 22, 1)
            stream.sendall(b"more")
            stream.settimeout(0.5)
            with pytest.raises(TimeoutError):
                stream.recv(64)
            profile(MAIL)
            stream.settimeout(SECONDS)
            assert stream.recv(64) == b"250 again"

    def test_profile_without_a_rule_for_it_lets_nothing_out_but_replies(
        self, server, root, customer, profile
    ) -> None:
        profile(MAIL)
        asked = "timeout 2 getent hosts ns1.lab.example >/dev/null; echo $?"
        wait_for(lambda: root(asked).strip() == "0")
        rules = [rule("ingress", 22)]
        customer.portal("profiles", name=MAIL, rules=rules)
        assert root(asked).strip() == "124"
        customer.portal("profiles", name=MAIL, rules=[*rules, rule("egress")])
        wait_for(lambda: root(asked).strip() == "0")


class TestMoments:
    def test_ordered_listed_active_reachable_and_password_are_five_moments(
        self, customer, as_root
    ) -> None:
        name = f"lab-{secrets.token_hex(3)}"
        with customer.settings(listed_after=1, active_after=1, reachable_after=2, password_after=2):
            server = customer.order(name)
            assert not greeting(server.address, 22, 0.2)
            wait_for(lambda: greeting(server.address, 22, 5))
            with pytest.raises(paramiko.AuthenticationException):
                as_root(server.address, server.password, "true")

            def has_logged_in() -> bool:
                with suppress(paramiko.AuthenticationException):
                    return name in as_root(server.address, server.password, "hostname")
                return False

            wait_for(has_logged_in)

            old = server.address
            customer.call("change_main_ip", serviceid=server.service_id)
            new = customer.call("get_instance", serviceid=server.service_id)["main_ip"]
            assert new != old
            assert as_root(new, server.password, "hostname").strip() == name
            assert not greeting(old, 22, 0.2)
            customer.call("reboot", serviceid=server.service_id)
            assert greeting(new, 22)


class TestPower:
    def test_settings_not_saved_are_lost_at_a_power_cut(self, customer, server, root) -> None:
        root("ip route add 198.19.200.0/24 dev eth0; touch /root/kept; sync")
        customer.call("shutdown", serviceid=server.service_id)
        assert not greeting(server.address, 22, 1)
        customer.call("boot", serviceid=server.service_id)
        assert root("ls /root").strip() == "kept"
        assert "198.19.200" not in root("ip route")

    def test_server_rebooted_from_inside_comes_back(self, server, root) -> None:
        root("touch /run/before; systemctl reboot")
        wait_for(lambda: not greeting(server.address, 22, 5))
        wait_for(lambda: greeting(server.address, 22, 5))
        assert root("ls /run/before 2>&1").startswith("ls: cannot access")
