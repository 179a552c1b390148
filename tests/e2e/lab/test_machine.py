"""The lab's network on the machine, in separate namespaces of network and mounts."""

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


GUESTS = """
import json
from lab import network
from lab.commands import run

def address():
    shown = run("ip", "-n", network.NAMESPACE, "-j", "link", "show", network.BRIDGE)
    return json.loads(shown)[0]["address"]

network.up()
shown = [address()]
port = ("link", "add", "lowest", "address", "00:00:00:00:00:02", "type", "veth")
run("ip", "-n", network.NAMESPACE, *port)
run("ip", "-n", network.NAMESPACE, "link", "set", "lowest", "master", network.BRIDGE, "up")
shown.append(address())
run("ip", "-n", network.NAMESPACE, "link", "del", "lowest")
print(*shown, address())
"""


@pytest.mark.parametrize(
    ("settings", "named"), [(VPN, "tun0"), (ROUTE, "r0"), (WIDER, "None"), ("true", "None")]
)
def test_route_into_the_addresses_of_the_lab_is_named(
    settings: str, named: str, real_hosts: None
) -> None:
    assert named in apart(settings, CODE)


def test_services_keep_their_hardware_address_as_guests_come_and_go(real_hosts: None) -> None:
    own_names = "mkdir -p /run/netns; mount -t tmpfs tmpfs /run/netns"
    before, with_guest, after = apart(own_names, GUESTS).split()
    assert before == with_guest == after


def apart(settings: str, code: str) -> str:
    """Return what Python prints in namespaces of its own, after commands of a shell."""
    run_both = f'{settings}\nexec "$0" -c "$1"'
    done = subprocess.run(
        ["unshare", "-n", "-m", "sh", "-ec", run_both, sys.executable, code],
        capture_output=True,
        text=True,
        check=False,
        cwd=checkout(),
        env=environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
