"""Another network of the machine conflicts with the lab's, in a separate network namespace."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kit.paths import checkout
from lab.commands import environment

pytestmark = pytest.mark.hosts

CODE = "from lab import network; print(network.conflicting_route())"
VETH = "ip link add {0} type veth peer name other; ip link set {0} up; ip link set other up"
VPN = f"{VETH.format('tun0')}; ip addr add 198.18.0.1/16 dev tun0"
ROUTE = f"{VETH.format('r0')}; ip route add 198.19.1.0/24 dev r0"
LAB = f"{VETH.format('lvmachine')}; ip addr add 198.18.0.1/15 dev lvmachine"
WIDER = f"{LAB}; ip route add 198.16.0.0/12 dev lvmachine"


@pytest.mark.parametrize(
    ("settings", "named"), [(VPN, "tun0"), (ROUTE, "r0"), (WIDER, "None"), ("true", "None")]
)
def test_route_into_the_addresses_of_the_lab_is_named(
    settings: str, named: str, real_hosts: None
) -> None:
    done = subprocess.run(
        ["unshare", "-n", "sh", "-ec", f'{settings}\nexec "$0" -c "$1"', sys.executable, CODE],
        capture_output=True,
        text=True,
        check=False,
        cwd=checkout(),
        env=environment(),
    )
    assert named in done.stdout, done.stdout + done.stderr
