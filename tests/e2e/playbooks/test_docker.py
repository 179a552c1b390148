"""A real host with Docker: what reaches a container from where, and as whom, whatever restarts."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import yaml

from controlplane.ansible import faults
from controlplane.ansible.host_variables import host_variables
from kit.faults import Fault
from lab import network
from lab.running import RunningLab
from tests.support.faults import assert_shows
from tests.support.provider import Customer
from tests.support.waiting import wait_for

from .conftest import PLAYBOOKS, MailHost, contacted, cut_once, playbooks_of

pytestmark = pytest.mark.hosts

VERSIONS = yaml.safe_load((PLAYBOOKS / "roles/docker/defaults/main.yml").read_text())[
    "docker_versions"
]
SUBNET, CONTAINER, GATEWAY = "192.168.203.0/24", "192.168.203.10", "192.168.203.1"
PUBLIC = (25, 80, 443, 465, 993)
EVERYTHING_IN, EVERYTHING_OUT = (
    {
        "direction": direction,
        "ethertype": "IPv4",
        "protocol": None,
        "port_range_min": None,
        "port_range_max": None,
        "description": "",
    }
    for direction in ("ingress", "egress")
)
"""The provider's firewall lets everything pass: the host's own is tested."""

LISTENER = """
import socketserver, threading

class Peer(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(self.client_address[0].encode())

class Datagram(socketserver.BaseRequestHandler):
    def handle(self):
        print("datagram for", self.request[0].decode(), flush=True)

servers = [socketserver.ThreadingTCPServer(("", port), Peer) for port in (25, 80, 443, 465, 993)]
for server in (*servers, socketserver.UDPServer(("", 53), Datagram)):
    threading.Thread(target=server.serve_forever).start()
"""
"""Tells each client the address that it sees; a datagram contains where it was sent to."""

COMPOSE = """
services:
  listener:
    image: listener
    init: true
    restart: always
    command: [python3, -u, -c, "exec(open('/listener.py').read())"]
    volumes: ["./listener.py:/listener.py:ro"]
    networks: {{default: {{ipv4_address: {container}}}}}
    ports: [{ports}]
networks:
  default: {{ipam: {{config: [{{subnet: {subnet}}}]}}}}
"""

IMAGE = """
cd /; python=$(readlink -f /usr/bin/python3)
libraries=$(ldd $python | grep -oE '/[^ ]+')
tar -ch --exclude=__pycache__ /usr/bin/python3 $libraries usr/lib/$(basename $python) |
  docker import - listener
"""
"""The host's own Python: no registry is needed."""

ASK = """
import concurrent.futures, os, pwd, socket, sys

def ask(question):
    target, _, source = question.partition("@")
    host, _, port = target.partition(":")
    try:
        with socket.create_connection((host, int(port)), 2, (source, 0)) as stream:
            return stream.recv(100).decode()
    except TimeoutError:
        return "silence"
    except ConnectionRefusedError:
        return "refused"

user, *questions = sys.argv[1:]
if user != "root":
    os.setgroups([])
    os.setuid(pwd.getpwnam(user).pw_uid)
with concurrent.futures.ThreadPoolExecutor(20) as pool:
    print(*pool.map(ask, questions), sep="\\n")
"""
"""As a user, ask at each `address:port@source` which client it sees."""

SEND = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    for target in sys.argv[1:]:
        host, _, port = target.partition(":")
        client.sendto(target.encode(), (host, int(port)))
"""


OTHER_VERSIONS = "deb [trusted=yes] file:/srv/repository ./"
MAKE_VERSIONS = """
set -e; cd /srv/repository
dpkg-deb -R /var/cache/apt/archives/docker.io_*.deb unpacked
make() {
  sed -i "s/^Version: .*/Version: $1/" unpacked/DEBIAN/control
  eval "$2"
  dpkg-deb -Znone -b unpacked $1.deb >/dev/null
  dpkg-deb -f $1.deb; echo "Filename: ./$1.deb"; echo "Size: $(stat -c %s $1.deb)"
  echo "SHA256: $(sha256sum $1.deb | cut -d ' ' -f 1)"; echo
}
{
  make 26.1.9 :
  rules=/srv/repository/rules.nft
  make 26.1.8 "sed -i '2i [ ! -e $rules ] || nft -f $rules' unpacked/DEBIAN/postinst"
  make 27.0 "echo exit 1 > unpacked/usr/sbin/dockerd"
} > Packages
"""
"""Three further versions of the engine in a repository on the host: one like the installed one, one
that loads rules when it is installed, and one that does not start."""


@dataclass(frozen=True)
class DockerHost:
    """A host whose roles are `base` and `docker` only: a container has port 25."""

    host: MailHost

    @property
    def primary(self) -> str:
        return str(self.host.observed.primary_ip)

    def configure(self, **overrides: Any) -> int:
        host = host_variables(self.host.blueprint, self.host.observed, self.host.secrets.users)
        configurator = self.host.configurator(
            f"deb [trusted=yes] {self.host.lab.packages} ./\n{OTHER_VERSIONS}",
            host={**host, "docker": True},
            **overrides,
        )
        return configurator.configure(
            self.host.blueprint,
            self.host.observed,
            self.host.secrets,
            known_host=self.host.known_host,
            progress=self.host.lines.append,
        )

    def run(self, script: str, *arguments: str) -> list[str]:
        """Run a script of Python on the host."""
        command = f"python3 - {' '.join(arguments)} <<'END'\n{script}\nEND"
        return self.host.shell(command).splitlines()

    def is_serving(self) -> bool:
        return self.run(ASK, "root", f"{self.primary}:25@") == [self.primary]


def outside(script: str, *arguments: str) -> list[str]:
    """Run a script at a neighbour of the host, on the lab's bridge."""
    enter = ("ip", "netns", "exec", network.NAMESPACE, sys.executable, "-c", script)
    done = subprocess.run((*enter, *arguments), capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def docker(
    lab: RunningLab, customer: Customer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DockerHost]:
    """A host that was configured after a power failure, with a container that listens."""
    playbooks = playbooks_of(tmp_path_factory.mktemp("playbooks"), "base", "docker")
    server = customer.order(f"docker-{secrets.token_hex(3)}")
    profiles = customer.portal("profiles", name="docker", rules=[EVERYTHING_IN, EVERYTHING_OUT])
    [whole] = [profile["name"] for profile in profiles if profile["name"].endswith("docker")]
    customer.call("set_instance_firewall", serviceid=server.service_id, name=whole)
    docker = DockerHost(replace(contacted(lab, customer, server), playbooks=playbooks))
    docker.host.shell("mkdir /srv/repository; touch /srv/repository/Packages")
    task = "Write the configuration of Docker and its rules"
    cut_once(docker.host, lambda host: replace(docker, host=host).configure(), customer, task)
    shown = docker.host.shell("systemctl is-enabled docker dovecot postfix")
    assert shown.split() == ["masked"] * 3, "their roles have not come"
    docker.configure()
    routes = (SUBNET, "127.0.0.1")
    for target in routes:
        _ip("route", "add", target, "via", docker.primary)
    yield docker
    for target in routes:
        _ip("route", "del", target)
    customer.terminate(server)


def _ip(*command: str) -> None:
    subprocess.run(("ip", "-n", network.NAMESPACE, *command), check=True)


@pytest.fixture(scope="module")
def listener(docker: DockerHost) -> DockerHost:
    """The host with a container on all ports that may be public, and on others."""
    ports = [f'"{docker.primary}:{port}:{port}"' for port in PUBLIC]
    ports += [f'"{docker.primary}:8025:25"', '"127.0.0.1:8080:80"', '"127.0.0.1:5353:53/udp"']
    compose = COMPOSE.format(container=CONTAINER, ports=", ".join(ports), subnet=SUBNET)
    started = docker.host.shell(
        f"exec 2>&1; mkdir -p /srv/listener\n{IMAGE}\n"
        f"cd /srv/listener; cat > listener.py <<'END'\n{LISTENER}\nEND\n"
        f"cat > compose.yml <<'END'\n{compose}\nEND\ndocker compose up -d"
    )
    assert "Started" in started, started
    return docker


def test_configuration_after_a_power_failure_is_complete_and_changes_nothing_more(docker) -> None:
    running = docker.host.shell("systemctl show -P MainPID docker")

    assert docker.configure() == 0
    assert docker.host.shell("systemctl show -P MainPID docker") == running
    assert docker.host.shell("docker info -f '{{.Driver}} {{.LoggingDriver}}'") == (
        "overlay2 journald\n"
    )
    assert {"docker.io", "docker-cli", "docker-compose", "containerd"} <= set(
        docker.host.shell("apt-mark showhold").split()
    )


def test_configuration_that_is_broken_is_repaired(docker) -> None:
    docker.host.shell(
        "echo '{' > /etc/docker/daemon.json; for i in 1 2 3 4; do systemctl restart docker; done;"
        "nft delete table ip keepsource; nft delete table ip nat"
    )
    assert docker.host.shell("systemctl is-active docker") != "active\n"

    assert docker.configure() == 3, "the file, the daemon, the rules"
    assert docker.host.shell("docker info -f '{{.LiveRestoreEnabled}}'") == "true\n"
    assert {"table ip keepsource", "table ip nat"} <= set(
        docker.host.shell("nft list tables").splitlines()
    )


def test_version_of_the_engine_is_changed_if_it_works(listener: DockerHost) -> None:
    listener.host.shell(MAKE_VERSIONS)
    version, held = "dpkg-query -W -f '${Version}' docker.io", "apt-mark showhold"
    before = listener.host.shell(version), listener.host.shell(held)

    with pytest.raises(Fault) as caught:
        listener.configure(docker_versions={**VERSIONS, "docker.io": "27.0"})
    assert_shows(caught.value, faults.ENGINE_REFUSED, reason=...)
    assert "dockerd does not start" in str(caught.value)
    assert (listener.host.shell(version), listener.host.shell(held)) == before
    assert listener.is_serving()

    listener.configure(docker_versions={**VERSIONS, "docker.io": "26.1.9"})
    assert (listener.host.shell(version), listener.host.shell(held)) == ("26.1.9", before[1])
    assert listener.is_serving()


RESTARTS = {
    "nothing": "true",
    "docker": "systemctl restart docker",
    "nftables": "systemctl restart nftables && systemctl stop nftables",
    "containers": "cd /srv/listener && docker compose down && docker compose up -d",
}


@pytest.mark.parametrize("restarted", [*RESTARTS, "host"])
def test_container_is_reached_as_decided_after_a_restart_of(
    listener: DockerHost, customer: Customer, restarted: str
) -> None:
    if restarted == "host":
        customer.call("shutdown", serviceid=listener.host.observed.service_id)
        customer.call("boot", serviceid=listener.host.observed.service_id)
    else:
        listener.host.shell(RESTARTS[restarted])
    wait_for(listener.is_serving, longest_pause=1)
    primary, other = (str(address.ip) for address in listener.host.observed.addresses[:2])

    # A neighbour on the lab's bridge reaches the public ports, under its own address.
    public = [f"{primary}:{port}@" for port in PUBLIC]
    closed = [f"{primary}:8025@", f"{CONTAINER}:25@"]
    assert outside(ASK, "root", *public, *closed) == [network.SERVICES] * 5 + ["silence"] * 2

    # No reply of these ports could reach a neighbour: a datagram shows that nothing comes in.
    outside(SEND, "127.0.0.1:5353", f"{CONTAINER}:53")
    listener.run(SEND, "127.0.0.1:5353")
    logs = "docker logs $(docker ps -q)"
    wait_for(lambda: listener.host.shell(logs), longest_pause=1)
    assert set(listener.host.shell(logs).splitlines()) == {"datagram for 127.0.0.1:5353"}

    # The host itself is never its bridge's gateway, which a mail server there would trust.
    seen = {
        f"{primary}:25@": primary,
        f"{primary}:25@{primary}": primary,
        f"{primary}:25@{other}": other,
        f"{primary}:25@127.0.0.1": primary,
        f"{primary}:25@{GATEWAY}": primary,
        f"{CONTAINER}:80@": primary,
        f"{CONTAINER}:80@{other}": other,
        "127.0.0.1:8080@": primary,
    }
    assert listener.run(ASK, "root", *seen) == list(seen.values())
    mail = [address if ":25@" in asked else "refused" for asked, address in seen.items()]
    assert listener.run(ASK, "postfix", *seen) == mail
    assert listener.run(ASK, "nobody", *seen) == ["refused"] * len(seen)
