"""What happens to tenants, drawn by Hypothesis, and what has to be true when it is over."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx2
from hypothesis import currently_in_test_context, note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from kit.faults import Fault
from tests.chaos.model.audit import audit, unnoticed
from tests.chaos.model.documents import HOSTS, MOST_ADDRESSES, TENANTS, Declared
from tests.chaos.model.ends import Target
from tests.chaos.model.person import Person
from tests.chaos.model.world import MOST_PASSES, World, quick
from tests.support.emulator import Emulator

FAULTS = (
    "server_error", "not_json", "dropped", "unauthorized", "odd_read", "lost_answer", "no_effect",
    "odd_change", "odd_done", "payment_refused", "late_error", "not_delivered", "never_boots",
)  # fmt: skip
"""Of Hostwinds: all but the slow one."""
CLOUDFLARE = (
    "dropped", "lost_answer", "rate_limited", "read_error", "refused_with_200", "server_error",
    "out_of_reach",
)  # fmt: skip
PORTAL = (
    "buy an address", "end", "move", "shut down", "rename an address", "change a record",
    "delete a record",
)  # fmt: skip
FREEZABLE = ("purchases", "destruction")
PAUSES = (400, 400, 2000, 400, 400, 90_000, 400, 2000, 400, 400, 90_000, 400, 2000, 400)
"""Seconds between two looks of the person, in the end: records are written again after half an
hour, reverse names after a day."""
NOTICED = 1
"""Looks after which a tenant is not Ready any more whose server has gone."""
PLACES = (
    *([""] * 8),
    "before add_instance",
    "after add_instance",
    "before terminate",
    "after terminate",
    "before POST",
    "before DELETE",
    "before a checkpoint",
    "after a checkpoint",
)
"""Where something ends, by how points begin; empty: anywhere, mostly, since a tenant that has
settled reaches few of the others."""
LOOKS = 6
"""At names, while nothing answers."""
SOON, BY_CHANCE, SELDOM = 6, 60, 3
"""Points at most until something ends: anywhere, of which a pass without changes has few, or at
those that begin alike."""


class Meanwhile(StrEnum):
    """What happens while an operation is stopped and another reconciler works."""

    ENDED = "its lease ends"
    LEASED = "its lease does not end"
    FORMER = "its lease ends, and what was declared before is declared again"


def _is_something(model: Model) -> bool:
    """Return whether anything was declared; by what was drawn, since how far all got may vary."""
    return model.has_declared


class Model(RuleBasedStateMachine):
    """Tenants, what was declared of them last, and the world they are in."""

    dsn: str
    empty: Callable[[], None]
    """Deletes all rows of the database."""
    emulators: tuple[Emulator, Emulator]
    exercised: Counter[str]
    """Of all examples: which ends were drawn, and which of them have happened."""

    def __init__(self) -> None:
        super().__init__()
        self.documents: dict[str, Declared] = {}
        self.has_declared = False
        self.former: dict[str, Declared] = {}
        """What was declared before that."""
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._is_over = False

    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed: int) -> None:
        """Start with nothing."""
        self.empty()
        self._run(self._begin(seed))

    async def _begin(self, seed: int) -> None:
        self._stack.enter_context(quick())
        directory = self._stack.enter_context(tempfile.TemporaryDirectory())
        self.world = World(self.dsn, self.emulators, seed, self.exercised)
        await self._stack.enter_async_context(self.world.running(Path(directory)))
        self._stack.enter_context(self.world.ends.installed())
        self.person = Person(self.world)

    # What users do

    @rule(name=st.sampled_from(TENANTS), data=st.data())
    def edit(self, name: str, data: st.DataObject) -> None:
        """Declare a tenant, or change what is declared."""
        self.has_declared = True
        before = self.documents.get(name)
        self.declare(Declared(name) if before is None else data.draw(_edits(before)))

    def declare(self, after: Declared) -> None:
        """Declare a tenant, if that is possible now."""
        self._run(self._apply(after))

    async def _apply(self, after: Declared) -> None:
        answer = await self.world.api.put(f"/tenants/{after.name}", json=after.document())
        if answer.status_code in (httpx2.codes.OK, httpx2.codes.CREATED):
            self.former[after.name] = self.documents.get(after.name, after)
            self.documents[after.name] = after
            self.world.settled[after.name] &= after.hosts.keys()
        else:
            codes = httpx2.codes.CONFLICT, httpx2.codes.UNPROCESSABLE_CONTENT
            assert answer.status_code in codes, answer.text

    @precondition(_is_something)
    @rule(name=st.sampled_from(TENANTS))
    def delete(self, name: str) -> None:
        """Delete a tenant."""
        if name in self.documents:
            self.former[name] = self.documents.pop(name)
            self.world.settled[name].clear()
            answer = self._run(self.world.api.delete(f"/tenants/{name}"))
            assert answer.is_success, answer.text

    # What operators do

    @precondition(_is_something)
    @rule(
        name=st.sampled_from(TENANTS),
        command=st.sampled_from(("pause", "resume", "retry", "refresh")),
    )
    def command(self, name: str, command: str) -> None:
        """Give a command that concerns one tenant."""
        body = {"reason": "tried"} if command in ("pause", "resume") else None
        answer = self._run(self.world.api.post(f"/tenants/{name}/{command}", json=body))
        assert not answer.is_server_error, answer.text

    @rule(
        command=st.sampled_from(("freeze", "unfreeze")),
        what=st.sampled_from(FREEZABLE),
    )
    def freeze(self, command: str, what: str) -> None:
        """Freeze all orders, or all ends of servers, or let them go on."""
        self._run(self._freeze(command, what))

    async def _freeze(self, command: str, what: str) -> None:
        frozen = self.world.hostwinds.frozen
        frozen.discard(what)
        body = {"what": what, "reason": "tried"}
        answer = await self.world.api.post(f"/platform/{command}", json=body)
        assert answer.is_success, answer.text
        if command == "freeze":
            frozen.add(what)

    @precondition(_is_something)
    @rule(name=st.sampled_from(TENANTS), what=st.sampled_from(("refresh", "update")))
    def by_hand(self, name: str, what: str) -> None:
        """Refresh a stack by hand, or bring it to an unknown blueprint."""
        if name not in self.world.engine.stacks:
            return
        if what == "refresh":
            with suppress(Fault):
                self.world.engine.refresh_by_hand(name)
        else:
            self.world.engine.write_by_hand(name, "sha256:unknown")

    # What people do in the portals

    @precondition(_is_something)
    @rule(action=st.sampled_from(PORTAL), which=st.integers(0, 20))
    def portal(self, action: str, which: int) -> None:
        """Change something of ours."""
        if action.endswith("record"):
            self._change_record(action, which)
            return
        servers = self.world.ours()
        if not servers:
            return
        server, account = servers[which % len(servers)], self.world.hostwinds
        _note(f"{action} {server.srvrname}")
        match action:
            case "buy an address":
                account.attach(server.serviceid)
            case "end":
                account.end(server.serviceid, event="ended in the portal")
            case "move":
                account.move(server.serviceid)
            case "shut down":
                account.power("shutdown", server.serviceid)
            case "rename an address":
                self.world.nameserver.set_ptr(server.ips[which % len(server.ips)], "x.example")

    def _change_record(self, action: str, which: int) -> None:
        records = self.world.marked()
        if not records:
            return
        zone, record = records[which % len(records)]
        _note(f"{action} {record['comment']}")
        if action == "delete a record":
            self.world.cloudflare.delete(zone, str(record["id"]))
        elif record["type"] in ("A", "TXT"):
            content = "203.0.113.77" if record["type"] == "A" else '"x=1"'
            self.world.cloudflare.change(zone, str(record["id"]), {"content": content})

    @precondition(_is_something)
    @rule(host=st.sampled_from(HOSTS), name=st.sampled_from(TENANTS))
    def be_in_the_way(self, host: str, name: str) -> None:
        """Write a record of others at a name that a host may get."""
        [zone] = [z for z in self.world.cloudflare.zones() if z["name"] == f"{name}.example"]
        record = {"type": "A", "name": f"{host}.{name}.example", "content": "203.0.113.5"}
        if any(live["name"] == record["name"] for _, live in self.world.records()):
            return
        made = self.world.cloudflare.create(str(zone["id"]), record)
        self.person.conflicts.append((str(zone["id"]), str(made["id"])))

    @precondition(_is_something)
    @rule()
    def person_acts(self) -> None:
        """Let a person do what is listed now."""
        self._run(self.person.act())

    # What goes wrong

    @precondition(_is_something)
    @rule(fault=st.sampled_from(FAULTS), times=st.integers(1, 3))
    def hostwinds_fails(self, fault: str, times: int) -> None:
        """Let the next calls fail."""
        self.world.hostwinds.faults.inject(fault, times)

    @precondition(_is_something)
    @rule(fault=st.sampled_from(CLOUDFLARE), times=st.integers(1, 3))
    def cloudflare_fails(self, fault: str, times: int) -> None:
        """Let the next requests fail."""
        self.world.cloudflare.faults.inject(fault, times)

    @rule(seconds=st.sampled_from((1, 60, 700, 4000)), passes=st.integers(1, 4))
    def work(self, seconds: float, passes: int) -> None:
        """Let time pass, and a reconciler work."""
        self.world.pass_time(seconds)
        self._run(self._work(passes))

    async def _work(self, passes: int) -> None:
        for ended in await self.world.work_until_killed(passes):
            _note(ended)

    @precondition(_is_something)
    @rule(
        what=st.sampled_from(Target),
        at=st.sampled_from(PLACES),
        after=st.integers(0, SOON) | st.integers(0, BY_CHANCE),
        meanwhile=st.sampled_from(Meanwhile),
    )
    def end(self, what: Target, at: str, after: int, meanwhile: Meanwhile) -> None:
        """Let a reconciler work whose process, or that of an operation, ends at some point.

        The point may come later, in another step; one is waited for at a time.
        """
        self.world.pass_time(60)
        if self.world.ends.is_armed:
            self._run(self._work(4))
        else:
            self._run(self._end(what, after % SELDOM if at else after, meanwhile, at))

    def end_at(self, what: Target, at: str, meanwhile: Meanwhile = Meanwhile.ENDED) -> None:
        """Let a reconciler work until something ends at a point, which has to come."""
        self._run(self._end(what, 0, meanwhile, at))
        assert not self.world.ends.is_armed, f"nothing came {at}"

    async def _end(self, target: Target, after: int, meanwhile: Meanwhile, at: str = "") -> None:
        loop = asyncio.get_running_loop()

        def wait() -> None:
            asyncio.run_coroutine_threadsafe(self._take_over(meanwhile), loop).result()

        self.world.ends.arm(target, after, wait, at=at)
        await self._work(4)

    async def _take_over(self, meanwhile: Meanwhile) -> None:
        """Let another reconciler work while an operation is stopped."""
        world = self.world
        if meanwhile is not Meanwhile.LEASED:
            await world.end_leases()
        if meanwhile is Meanwhile.FORMER:
            for before in tuple(self.former.values()):
                await self._apply(before)
        world.pass_time(700)
        await world.work()
        if not await audit(world, self.documents):
            self._note_settled()

    # What has to be true

    @rule()
    def settle(self) -> None:
        """Let nothing be disturbed, and all become what the documents say."""
        self._run(self._settle())

    async def _settle(self) -> None:
        world = self.world
        await self._come_to_ends()
        world.hostwinds.faults.clear()
        world.cloudflare.faults.clear()
        for what in FREEZABLE:
            await self._freeze("unfreeze", what)
        for name in TENANTS:  # also those that are being deleted
            await world.api.post(f"/tenants/{name}/resume", json={"reason": "over"})
        found: list[str] = []
        for look, seconds in enumerate(PAUSES, 1):
            world.pass_time(seconds)
            await world.work()
            if look >= NOTICED:
                gone = await unnoticed(world)
                assert not gone, "\n".join(gone)
            found = await audit(world, self.documents)
            if not found:
                break
            await self.person.act()
        assert not found, "\n".join([*found, *await self._shown()])
        assert not self.person.untrue
        self._note_settled()

    async def _come_to_ends(self) -> None:
        """Let the end happen that was drawn, if there is still something to do where it can."""
        for seconds in PAUSES[:2]:
            if self.world.ends.is_armed:
                self.world.pass_time(seconds)
                await self._work(MOST_PASSES)
        self.world.ends.disarm()

    def _note_settled(self) -> None:
        for name, declared in self.documents.items():
            self.world.settled[name] = set(declared.hosts)

    @precondition(_is_something)
    @rule()
    def part_from_name_servers(self) -> None:
        """Let no name server answer for hours: what was verified stays so."""
        self._run(self._without_names())

    async def _without_names(self) -> None:
        await self._settle()
        self.world.internet.is_parted = True
        for _ in range(LOOKS):
            self.world.pass_time(1000)
            await self.world.work()
        rows = self.world.rows("select document from directory.entries")
        found = [domain for (document,) in rows for domain in document["domains"]]
        self.world.internet.is_parted = False
        wrong = [domain["name"] for domain in found if not domain["verified"]]
        assert not wrong, f"{wrong} may not send any more"

    async def _shown(self) -> list[str]:
        """Return what people are shown."""
        shown = [f"todo: {item}" for item in await self.person.todo()]
        for name in TENANTS:
            view = await self.world.api.get(f"/tenants/{name}")
            shown += [
                f"{name} {condition['type']} {condition['status']} {condition['message']}"
                for condition in view.json().get("conditions", ())
                if condition["subject"] == "tenant"
            ]
        return shown

    def teardown(self) -> None:
        """Settle, and stop."""
        try:
            if hasattr(self, "person") and not self._is_over:
                self._run(self._settle())
        finally:
            self._runner.run(self._stack.aclose())
            self._runner.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return self._runner.run(work)
        except BaseException:
            self._is_over = True
            raise


@st.composite
def _edits(draw: st.DrawFn, before: Declared) -> Declared:
    """Return another document of a tenant."""
    way = draw(st.sampled_from(("addresses", "host", "host", "rename", "domain", "mailbox")))
    hosts = dict(before.hosts)
    name = draw(st.sampled_from(sorted(hosts)))
    missing = [host for host in HOSTS if host not in hosts]
    match way:
        case "addresses":
            hosts[name] = draw(st.integers(1, MOST_ADDRESSES))
        case "host" if len(hosts) < len(HOSTS) - 1:
            hosts[draw(st.sampled_from(missing))] = draw(st.integers(1, 2))
        case "host":
            del hosts[name]
        case "rename":
            hosts[draw(st.sampled_from(missing))] = hosts.pop(name)
        case "domain":
            return replace(before, has_shared=not before.has_shared)
        case "mailbox":
            boxes = draw(st.sets(st.sampled_from(("sales", "info", "jo")), min_size=1))
            return replace(before, mailboxes=tuple(sorted(boxes)))
    return replace(before, hosts=hosts)


def _note(text: str) -> None:
    """Show something beside the steps of an example; these can be called without one, too."""
    if currently_in_test_context():
        note(text)
