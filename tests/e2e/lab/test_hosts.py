"""Ordered servers are real hosts: they boot, admit root, lose power, and have what was bought."""

from __future__ import annotations

import secrets

import pytest

from tests.support.greeting import greeting
from tests.support.provider import Customer, Server
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(180)]


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

    def test_server_has_only_the_package_source_of_the_lab(self, lab, root) -> None:
        assert root("apt-get -qq update && apt-get -s install postfix | grep -c ^Inst") > "0"
        assert lab.packages in root("cat /etc/apt/sources.list")

    def test_server_uses_the_name_server_of_the_lab(self, lab, root) -> None:
        assert root("cat /etc/resolv.conf").split()[-1] == lab.resolver


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
        assert not greeting("198.18.77.7", 22)
        assert greeting(server.address, 22)

    def test_server_reaches_nothing_outside_of_the_lab(self, root) -> None:
        answer = root("timeout 2 bash -c 'exec 3<>/dev/tcp/192.0.2.2/22' || echo closed")
        assert "closed" in answer


class TestPower:
    def test_settings_not_saved_are_lost_at_a_power_cut(self, customer, server, root) -> None:
        root("ip route add 198.19.200.0/24 dev eth0; touch /root/kept; sync")
        customer.call("shutdown", serviceid=server.service_id)
        assert not greeting(server.address, 22)
        customer.call("boot", serviceid=server.service_id)
        assert root("ls /root").strip() == "kept"
        assert "198.19.200" not in root("ip route")

    def test_server_rebooted_from_inside_comes_back(self, server, root) -> None:
        root("touch /run/before; systemctl reboot")
        wait_for(lambda: not greeting(server.address, 22, 0.2))
        wait_for(lambda: greeting(server.address, 22))
        assert root("ls /run/before 2>&1").startswith("ls: cannot access")
