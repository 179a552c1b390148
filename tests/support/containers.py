"""Containers of the stand-in image without Docker: each part in namespaces of its own.

The root is that of the image; the program is this checkout's. All of them are on one bridge with
Mailu's subnet, whose gateway is the client: it connects as the gateway, or as a host outside.
"""

from __future__ import annotations

import ctypes
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from kit.paths import checkout
from lab.commands import environment, run
from lab.layers import Layers
from tests.support.name_server import CLIENT
from tests.support.processes import children, command, tree
from tests.support.waiting import wait_for

T = TypeVar("T")
SUBNET = "192.168.203.0/24"
GATEWAY = "192.168.203.1"
OUTSIDE = CLIENT
"""The address of clients that are not in the subnet."""
ADDRESSES = {
    name: f"192.168.203.{number}"
    for name, number in (
        ("redis", 2),
        ("admin", 3),
        ("front", 4),
        ("imap", 5),
        ("smtp", 6),
        ("antispam", 7),
        ("webmail", 8),
        ("resolver", 254),
    )
}
CLONE_NEWNET = 0x40000000
WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""Ends a process with the test that started it, also when that is killed."""
ENDED_WHOLE = ("unshare", "--pid", "--fork", "--kill-child")
"""A namespace that ends with its parent. That of the container would not: its first process changes
its account, and with that the kernel forgets whose end it was to share."""
NAMESPACES = (*ENDED_WHOLE, "unshare", "--mount", "--pid", "--fork", "--uts", "--ipc")
START = r"""
m=$1 lower=$2 program=$3 part=$4; shift 4
mount -t tmpfs tmpfs "$m"; mkdir "$m/up" "$m/scratch" "$m/m"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$m/up,workdir=$m/scratch" "$m/m"
cd "$m/m"; hostname "$part"
mount -t proc proc proc; mount --rbind /dev dev; mount -t tmpfs tmpfs run; mount -t tmpfs tmpfs tmp
chmod 1777 tmp
mkdir opt/stand-in; mount --bind "$program" opt/stand-in
touch .dockerenv; rm -f etc/resolv.conf
echo "nameserver $RESOLVER" > etc/resolv.conf
printf '%s\n' "$HOSTS" > etc/hosts
while [ "$1" != -- ]; do mkdir -p ".$2"; mount --bind "$1" ".$2"; shift 2; done; shift
exec chroot . env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH=/opt/stand-in \
  PYTHONDONTWRITEBYTECODE=1 "$@"
"""


def root_of_image(cache: Path) -> str:
    """Return the layers of the image as overlays take them. Raises LookupError if one lacks."""

    def refuse(line: str) -> None:
        raise LookupError(line)

    layers = Layers(cache, refuse)
    return ":".join(map(str, (layers.containers(), layers.mail(), layers.base())))


@dataclass
class Container:
    """A part that runs."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def text(self) -> str:
        """What it has written."""
        return self.log.read_text(errors="replace")

    def run(self, *command: str) -> str:
        """Run a command inside."""
        [namespace] = children(self.process.pid)
        [first] = children(namespace)
        inside = str(first)
        root = f"/proc/{inside}/root"
        enter = ("nsenter", "-t", inside, "-m", "-u", "-i", "-n", "-p", f"--root={root}")
        return run(*enter, *command)

    def end(self) -> None:
        """End it as a power cut does; nothing of it is left."""
        whole = list(tree(self.process.pid))
        self.process.kill()
        self.process.wait()
        wait_for(lambda: not any(map(command, whole)))


@dataclass
class Containers:
    """A bridge, and the containers on it."""

    directory: Path
    lower: str
    environ: Mapping[str, str]
    volumes: Mapping[str, Sequence[tuple[str, str]]]
    """By part: directory below `volumes`, and where the container has it."""
    _stack: ExitStack = field(default_factory=ExitStack)
    _parts: dict[str, Container] = field(default_factory=dict)

    def __enter__(self) -> Containers:
        self._bridge = self._namespace()
        # With one of its own, not that of a port, which another has after a restart.
        hardware = ("address", "02:00:00:00:00:01")
        self._inside(self._bridge, "ip", "link", "add", "br0", *hardware, "type", "bridge")
        self._inside(self._bridge, "ip", "addr", "add", f"{GATEWAY}/24", "dev", "br0")
        self._inside(self._bridge, "ip", "addr", "add", f"{OUTSIDE}/32", "dev", "lo")
        for link in ("lo", "br0"):
            self._inside(self._bridge, "ip", "link", "set", link, "up")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def volume(self, name: str) -> Path:
        """Return the directory of a volume."""
        path = self.directory / "volumes" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def start(self, part: str, command: Sequence[str] = (), **changed: str) -> Container:
        """Start a part, or another command in its place; with settings of its own."""
        network = self._namespace()
        port = f"v-{part}"
        # Always the same hardware address: neighbours remember it for 20 s.
        number = ADDRESSES[part].rpartition(".")[2]
        hardware = f"02:00:00:00:00:{int(number):02x}"
        peer = ("peer", "name", "eth0", "address", hardware, "netns", str(network))
        self._inside(self._bridge, "ip", "link", "add", port, "type", "veth", *peer)
        self._inside(self._bridge, "ip", "link", "set", port, "master", "br0", "up")
        self._inside(network, "ip", "addr", "add", f"{ADDRESSES[part]}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            self._inside(network, "ip", "link", "set", link, "up")
        self._inside(network, "ip", "route", "add", "default", "via", GATEWAY)
        mount, log = self.directory / f"{part}.root", self.directory / f"{part}.log"
        mount.mkdir(exist_ok=True)
        volumes = [
            word
            for name, place in self.volumes.get(part, ())
            for word in (str(self.volume(name)), place)
        ]
        settings = {**({} if part == "redis" else self.environ), **changed}
        ours = command or ("python3", "-m", "lab.mailu.container", part)
        hosts = ["127.0.0.1 localhost", *(f"{ip} {name}" for name, ip in ADDRESSES.items())]
        with log.open("ab") as output:
            process = subprocess.Popen(
                (
                    *("nsenter", "-t", str(network), "-n"),
                    *(*WITH_US, *NAMESPACES, "sh", "-ec", START, "sh"),
                    *(str(mount), self.lower, str(checkout()), part, *volumes, "--"),
                    *(f"{name}={value}" for name, value in settings.items()),
                    *ours,
                ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={
                    **environment(),
                    "RESOLVER": ADDRESSES["resolver"],
                    "HOSTS": "\n".join(hosts),
                },
            )
        container = Container(process, log)
        self._stack.callback(container.end)
        self._parts[part] = container
        return container

    def restart(self, part: str, **changed: str) -> Container:
        """End a part, and start it again from its image and volumes."""
        self._parts[part].end()
        self._inside(self._bridge, "ip", "link", "del", f"v-{part}")
        return self.start(part, **changed)

    def connect(
        self, part: str, port: int, source: str = OUTSIDE, timeout: float = 60
    ) -> socket.socket:
        """Connect to a part, by default from outside."""

        def connected() -> socket.socket:
            return socket.create_connection((ADDRESSES[part], port), timeout, (source, 0))

        return self._from(self._bridge, connected)

    def listen(self, port: int) -> socket.socket:
        """Return a listening socket at the address outside."""
        return self._from(self._bridge, lambda: socket.create_server((OUTSIDE, port)))

    def tunnel(self, part: str, port: int) -> str:
        """Forward a port of loopback to a part's, as SSH does; return its address."""
        listener = socket.create_server(("127.0.0.1", 0))

        def stop() -> None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

        self._stack.callback(stop)

        def serve() -> None:
            while True:
                try:
                    near, _ = listener.accept()
                except OSError:
                    return  # it was closed
                far = self.connect(part, port, GATEWAY)
                threading.Thread(target=_join, args=(near, far), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    def _namespace(self) -> int:
        """Return the process that keeps a new network namespace."""
        keep = ("sh", "-c", "echo; exec sleep infinity")
        process = subprocess.Popen(
            (*WITH_US, "unshare", "--net", *keep), stdout=subprocess.PIPE, env=environment()
        )
        assert process.stdout is not None
        process.stdout.readline()  # it is in its namespace now

        def end() -> None:
            process.kill()
            process.communicate()

        self._stack.callback(end)
        return process.pid

    def _inside(self, namespace: int, *command: str) -> None:
        run("nsenter", "-t", str(namespace), "-n", *command)

    def _from(self, namespace: int, make: Callable[[], T]) -> T:
        """Make a socket in a namespace: only its thread enters it, and ends."""

        def enter() -> T:
            with Path(f"/proc/{namespace}/ns/net").open() as file:
                if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "the namespace cannot be entered")
            return make()

        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(enter).result()


def _join(near: socket.socket, far: socket.socket) -> None:
    """Pass on what each side sends, until both have ended."""
    with near, far:
        back = threading.Thread(target=_copy, args=(far, near), daemon=True)
        back.start()
        _copy(near, far)
        back.join()


def _copy(one: socket.socket, other: socket.socket) -> None:
    """Pass on what one side sends, until it ends or fails."""
    with suppress(OSError):
        while data := one.recv(1 << 16):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
