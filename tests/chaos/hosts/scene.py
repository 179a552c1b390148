"""A sandbox with one tenant, whose host has Mailu, and what a harness may do and see there."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psutil
import psycopg

from composition.embedded import DATABASE, servers
from kit.faults import Fault
from kit.paths import checkout
from lab import cgroups, leftovers, network
from lab.guest import Guest
from lab.registry import stand_in
from lab.running import RunningLab, required
from sandbox import down, local, up
from tests.support import plain_http
from tests.support.command_line import run_process
from tests.support.lab_zones import Zone
from tests.support.retrying_sender import Sender
from tests.support.waiting import wait_for

TENANT, HOST, BOX = "acme", "mx1", "sales@acme.example"
FILE = "tests/chaos/hosts/acme.yaml"
LIMIT_SECONDS = 900.0
"""Until a trouble is over: what Mailu's application is tried again after is ten minutes."""
MAIL_PAUSE_SECONDS = 2.0
SMTP_SECONDS = 20.0
"""After which the mail server elsewhere gives up a connection."""
QUICK = {
    "PENGUIN_RECONCILER__RESYNC": "PT15S",
    "PENGUIN_RECONCILER__RETRY_CAP": "PT15S",
    "PENGUIN_RECONCILER__LEASE": "PT20S",
    "PENGUIN_VERIFICATION__HOSTS_INTERVAL": "PT1M",
}
"""Intervals that are longer by default: 10 minutes, 5, 1 and 30."""
MAILS = f"find /mailu/mail/{BOX} -path '*/new/*' -o -path '*/cur/*' -type f"
Say = Callable[[str], None]


@dataclass
class Scene:
    """The sandbox, as the harness sees it."""

    lab: RunningLab
    database: psycopg.Connection[Any]
    say: Say
    rng: random.Random
    elsewhere: Zone
    sender: Sender = field(init=False)
    is_written_to: bool = False
    """Whether the mail server elsewhere sends mail."""
    version: str = stand_in.VERSIONS[-1]
    """Of the images that are pinned."""

    def __post_init__(self) -> None:
        source = self.lab.sender_address or ""
        self.sender = Sender(self.elsewhere.name, "", source, (BOX,), SMTP_SECONDS)

    # What people and providers do

    def penguin(self, *arguments: str) -> str:
        """Run `penguin`; it must succeed."""
        done = run_process(*arguments, environment={**os.environ, **local.environment()})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def pin_other_images(self) -> None:
        """Pin the images of the other version that the lab has; the host has one of them."""
        [self.version] = set(stand_in.VERSIONS) - {self.version}
        self.penguin("platform", "images", "pin", self.version, "--yes")

    def fault(self, part: str, name: str) -> None:
        """Let a part of the lab fail until it is cleared."""
        times = () if name == "clear" else ("--times", "-1")
        self.penguin("lab", "fault", part, name, *times)

    @property
    def server(self) -> dict[str, Any]:
        """The host's server, as the portal shows it."""
        listed = plain_http.get(f"{self.lab.hostwinds_url}/_lab/portal/servers").json()
        [server] = listed
        return dict(server)

    def _is_ordered(self) -> bool:
        listed = plain_http.get(f"{self.lab.hostwinds_url}/_lab/portal/servers").json()
        return bool(listed and listed[0]["addresses"])

    def power(self, action: str) -> None:
        """Use the power switch of the provider's panel."""
        form = {
            "action": action,
            "API": self.lab.hostwinds_key,
            "serviceid": str(self.server["serviceid"]),
        }
        plain_http.post(f"{self.lab.hostwinds_url}/cloud/api.php", data=form).raise_for_status()

    def cut(self) -> None:
        """Cut the host's power without warning, and switch it on."""
        cgroups.kill(cgroups.root() / f"{network.PREFIX}{self.server['serviceid']}")
        self.power("shutdown")  # as the provider sees it, too
        self.power("boot")

    def kill_control_plane(self) -> None:
        """End all its processes at once, and start it again as a service manager would."""
        pid = local.control_plane_pid()
        assert pid is not None
        supervisor = psutil.Process(pid)
        for process in (supervisor, *supervisor.children(recursive=True)):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue  # ended with another one
        wait_for(lambda: local.control_plane_pid() is None)
        local.start_control_plane(QUICK)

    def on_host(self, script: str, *arguments: str, stdin: str = "") -> str:
        """Run a shell script on the host, as its console would."""
        number = str(self.server["serviceid"])
        guest = Guest(local.lab_dir() / leftovers.HOSTS, number, HOST, (), ())
        return guest.inside(script, *arguments, stdin=stdin)

    def began(self) -> str:
        """Return when the host was started; empty while it is off."""
        with suppress(Fault):
            return self.on_host("stat -c %Y /proc/1")
        return ""

    # What the control plane knows

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the control plane's database."""
        return self.database.execute(query, values or None).fetchall()

    def lines(self) -> list[str]:
        """Return all lines of operations."""
        return [
            line for (line,) in self.rows("select line from oltp.operation_lines order by number")
        ]

    def condition(self, type_: str, subject: str = "tenant") -> tuple[str, str]:
        """Return status and reason of a condition."""
        query = "select status, reason from oltp.conditions where type = %s and subject = %s"
        [(status, reason)] = self.rows(query, type_, subject) or [("Unknown", "")]
        return status, reason

    def until_reported(self, type_: str, reason: str) -> None:
        """Wait until a condition of the host says what is wrong."""
        subject = f"host/{HOST}"
        wait_for(
            lambda: self.condition(type_, subject)[1] == reason,
            seconds=LIMIT_SECONDS,
            longest_pause=0.5,
        )

    def until_ready(self) -> float:
        """Wait until a look that begins from now on finds the tenant Ready, and mail is taken.

        Return the seconds. Mail is asked about while the mail server elsewhere sends some.
        """
        began, look = time.monotonic(), self._look()
        self.sender.codes.clear()
        wait_for(
            lambda: self._look() > look + 1 and self._is_ready() and self._takes_mail(),
            seconds=LIMIT_SECONDS,
            longest_pause=0.5,
        )
        return time.monotonic() - began

    def run_playbooks(self) -> None:
        """Let the control plane configure the host once more, as if it had never."""
        forget = "update oltp.hosts set applied_digest = null returning name"
        assert self.rows(forget)
        self.make_due()

    def look_at_mailboxes(self) -> None:
        """Let the control plane look at Mailu now and not in some hours."""
        assert self.rows("update oltp.identities set at = 'epoch' returning host")
        self.make_due()

    def make_due(self) -> None:
        """Let the next look begin."""
        self.database.execute("update oltp.schedule set due_at = now()")

    def changed_tasks(self) -> int:
        """Run the playbooks; return how many tasks changed something."""
        wait_for(lambda: not self._is_busy(), seconds=LIMIT_SECONDS, longest_pause=0.2)
        query = (
            "select outcome from oltp.operations where kind = 'configure' and finished_at > %s "
            "and started_at > %s order by started_at desc limit 1"
        )
        [(now,)] = self.rows("select now()")
        self.run_playbooks()
        wait_for(
            lambda: self.rows(query, now, now) == [("succeeded",)],
            seconds=LIMIT_SECONDS,
            longest_pause=0.5,
        )
        end = " tasks changed something"
        last = [line for line in self.lines() if line.endswith(end)][-1]
        return int(last.removesuffix(end).rpartition(" ")[2])

    def _look(self) -> int:
        [(token,)] = self.rows("select token from oltp.schedule")
        return int(token)

    def _is_ready(self) -> bool:
        return self.condition("Ready")[0] == "True"

    def _takes_mail(self) -> bool:
        return not self.is_written_to or 250 in self.sender.codes

    def _is_busy(self) -> bool:
        return bool(self.rows("select 1 from oltp.operations where finished_at is null"))

    # Mail

    @contextmanager
    def written_to(self) -> Iterator[None]:
        """Let mail come from elsewhere during the block, and at its end all of it be taken.

        It comes from when the host has an address on, before it has been configured.
        """
        wait_for(self._is_ordered, seconds=LIMIT_SECONDS, longest_pause=0.5)
        self.sender.ip = str(self.server["addresses"][0])
        self.is_written_to = True
        with self.sender.throughout(MAIL_PAUSE_SECONDS):
            yield

    def found(self) -> list[str]:
        """Return the Message-ID of each mail from elsewhere in the mailbox."""
        shown = self.on_host(
            f"{MAILS} | xargs -r -d '\\n' grep -hi '^message-id:.*{self.elsewhere.name}>' || true"
        )
        return [line.partition(":")[2].strip() for line in shown.splitlines()]

    def sent_in_bulk(self) -> str:
        """Send a mail by way of the sender; return its state."""
        output = self.penguin(
            "send", "--from", BOX, "--to", "alice@rcpt.example", "--subject", "Hello",
            "--text", "Hello", "--tenant", TENANT, "--wait", "--timeout=300s", "-o", "json",
        )  # fmt: skip
        return str(json.loads(output)["state"])


@contextmanager
def scene(say: Say, rng: random.Random) -> Iterator[Scene]:
    """Start a sandbox of its own with the tenant's document applied; nothing remains of it."""
    assert not local.is_up(), "a sandbox of this checkout runs, and this breaks it: `make down`"
    try:
        up.start()
        local.stop_control_plane()
        local.start_control_plane(QUICK)
        local.wait_for_receiver()
        lab = required(local.lab_dir())
        postgres, _ = servers()
        with (
            psycopg.connect(postgres.dsn(DATABASE), autocommit=True) as database,
            closing(Zone(lab)) as elsewhere,
        ):
            elsewhere.add(elsewhere.name, "A", lab.sender_address or "")
            elsewhere.add(elsewhere.name, "TXT", f"v=spf1 ip4:{lab.sender_address} -all")
            made = Scene(lab, database, say, rng, elsewhere)
            made.penguin("apply", "-f", str(checkout() / FILE))
            wait_for(lambda: made.rows("select 1 from oltp.operations"), longest_pause=0.2)
            yield made
    finally:
        down.stop()
