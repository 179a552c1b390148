"""Ordered servers are real hosts: they boot, let root in, lose power, and use what was bought."""

from __future__ import annotations

import secrets

import pytest

from tests.support.greeting import greeting
from tests.support.provider import Server
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def server(customer) -> Server:
    return customer.order(f"lab-{secrets.token_hex(3)}")


@pytest.fixture
def root(server, as_root):
    """Run a command on the server as root, by the password of the order."""
    return lambda command: as_root(server.address, server.password, command)


class TestOrder:
    def test_an_active_server_greets_and_lets_root_in_by_its_password(self, server, root) -> None:
        assert root("hostname").strip() == server.name
        assert root("systemctl is-system-running --wait").strip() == "running"

    def test_its_only_package_source_is_the_labs(self, lab, root) -> None:
        assert root("apt-get -qq update && apt-get -s install postfix | grep -c ^Inst") > "0"
        assert lab.packages in root("cat /etc/apt/sources.list")

    def test_it_sees_its_own_name_server(self, lab, root) -> None:
        assert root("cat /etc/resolv.conf").split()[-1] == lab.resolver


class TestAddresses:
    def test_a_bought_address_works_at_once_and_survives_a_reboot(self, customer, server) -> None:
        address = customer.attach(server.service_id)
        assert greeting(address, 22)
        customer.call("reboot", serviceid=server.service_id)
        assert greeting(address, 22)

    def test_an_address_that_was_not_bought_reaches_nobody(self, server, root) -> None:
        root("ip addr add 198.18.77.7/15 dev eth0")
        assert not greeting("198.18.77.7", 22)
        assert greeting(server.address, 22)

    def test_nothing_gets_out(self, root) -> None:
        answer = root("timeout 2 bash -c 'exec 3<>/dev/tcp/192.0.2.2/22' || echo closed")
        assert "closed" in answer


class TestPower:
    def test_what_was_not_made_to_last_is_lost_with_the_power(self, customer, server, root) -> None:
        root("ip route add 198.19.200.0/24 dev eth0; touch /root/kept; sync")
        customer.call("shutdown", serviceid=server.service_id)
        assert not greeting(server.address, 22)
        customer.call("boot", serviceid=server.service_id)
        assert root("ls /root").strip() == "kept"
        assert "198.19.200" not in root("ip route")

    def test_a_reboot_from_inside_comes_back(self, server, root) -> None:
        root("touch /run/before; systemctl reboot")
        wait_for(lambda: not greeting(server.address, 22, 0.2))
        wait_for(lambda: greeting(server.address, 22))
        assert root("ls /run/before 2>&1").startswith("ls: cannot access")
