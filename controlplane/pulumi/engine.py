"""The `CloudEngine` on Pulumi: program and state are those of `pulumi up` by hand."""

from __future__ import annotations

import math
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from types import MappingProxyType

from blueprint.document import Blueprint
from controlplane.pulumi.errors import Diagnostic, code_of, explain
from controlplane.pulumi.events import Listener
from controlplane.pulumi.faults import ENGINE_INCOMPLETE, RECORD_GONE
from controlplane.pulumi.forks import ForkServer
from controlplane.pulumi.job import INTERRUPT, MARK, Job, Kind
from controlplane.pulumi.owner import clear_stale_locks
from controlplane.pulumi.purchases import Untracked, raise_fence
from controlplane.pulumi.state import cloud_state
from controlplane.reconciler.cancellation import is_cancelled
from controlplane.reconciler.faults import OPERATION_ENDED
from controlplane.reconciler.memory import note_peak
from controlplane.reconciler.ports import CloudPlan, CloudState, Progress
from hostwinds.variables import LOST_POINTERS
from kit import files
from kit.faults import Fault, line
from kit.leftovers import end_leftovers
from kit.processes import own_identity
from stacks.backend import STACK, Stacks
from stacks.faults import STATE_UNREACHABLE
from stacks.variables import BACKGROUND, FORGOTTEN_ZONES, REPLACED_GENERATION

PROJECT_FILE = "name: penguin\nruntime: python\n"
"""The worker serves the program, so the engine starts no language host of this runtime."""
READ_DEADLINE = timedelta(minutes=5)
"""Deadline of an operation that changes nothing."""
GRACE = timedelta(seconds=90)
"""How long an interrupted engine may take: a call under way has its answer, or breaks off."""
POLL_SECONDS = 1.0
"""How often a running engine is looked at, whether it was cancelled."""
VERSIONS_SECONDS = 60.0
"""How long the versions of all stacks are used after they were read."""
HISTORY = 10
"""Updates of a stack that are retained; each adds rows to the state's database."""


class PulumiEngine:
    """Runs each operation in a process of its own, forked from a server with the imports loaded.

    `environment` is complete: the engine's (PATH, PULUMI_HOME with plugins), backend, passphrase
    file, provider credentials. `root` contains a directory for each tenant. `gateway` is the module
    that serves the gateway to Cloudflare, see `kit.plugins`. `memory` is how many bytes of data
    each process of an operation may have.
    """

    def __init__(
        self,
        *,
        installation: str,
        environment: Mapping[str, str],
        root: Path,
        gateway: str,
        memory: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        forks: ForkServer | None = None,
    ) -> None:
        self._installation = installation
        self._environment = dict(environment)
        self._root = root
        self._gateway = gateway
        self._memory = memory
        self._clock = clock
        self._forks = forks or ForkServer()
        self._reading = threading.Lock()
        self._versions: Mapping[str, str] = {}
        self._versions_end = -math.inf
        """Until when they are used."""

    def state(self, tenant: str) -> CloudState:
        """Read the last checkpoint without starting the engine, in a few milliseconds."""
        with self._located(tenant):
            return cloud_state(self._stacks().checkpoint(tenant))

    def version(self, tenant: str) -> str | None:
        """Return when the checkpoint was written last; those of all stacks are read together."""
        with self._located(tenant), self._reading:
            if self._clock() >= self._versions_end:
                self._versions = self._stacks().versions()
                self._versions_end = self._clock() + VERSIONS_SECONDS
            return self._versions.get(tenant)

    def preview(self, blueprint: Blueprint, progress: Progress) -> CloudPlan:
        """Return what `up` would do."""
        listener = Listener(progress)
        with self._located(blueprint.tenant):
            kinds = self._with_stack(blueprint.tenant, "preview")
            self._run(blueprint.tenant, kinds, listener, READ_DEADLINE, blueprint)
        return CloudPlan(tuple(listener.changes.values()), listener.held)

    def up(
        self,
        blueprint: Blueprint,
        progress: Progress,
        *,
        deadline: timedelta,
        fence: int | None = None,
        background: bool = False,
        refreshed: bool = False,
        forgotten: Collection[str] = (),
        replaced: int | None = None,
        lost_pointers: Collection[str] = (),
    ) -> CloudState:
        """Apply the blueprint. A pending address is reported in the state, not raised."""
        tenant = blueprint.tenant
        with self._located(tenant):
            extra = raise_fence(self._installation, tenant, fence, self._environment)
            self._take_over(tenant, progress, fence)
            extra |= _background(background) | _forgotten(forgotten) | _replaced(replaced)
            extra |= {LOST_POINTERS: " ".join(lost_pointers)}
            unended = self._end_unwanted(blueprint, {**self._environment, **extra}, progress)
            kind: Kind = "refreshed up" if refreshed else "up"
            kinds, listener = self._with_stack(tenant, kind), Listener(progress)
            try:
                self._run(tenant, kinds, listener, deadline, blueprint, extra)
            except Fault as fault:
                if fault.code is not RECORD_GONE:
                    raise
                progress(line(fault))
                listener = Listener(progress)
                self._run(tenant, ("refreshed up",), listener, deadline, blueprint, extra)
            if listener.must_repeat:
                self._run(tenant, ("up",), Listener(progress), deadline, blueprint, extra)
            stacks = self._stacks()
            if not stacks.exists(tenant):
                reason = "the engine stores it in another layout"
                raise STATE_UNREACHABLE(reason=reason)
            stacks.prune(tenant, keep=HISTORY)
            if unended:
                raise unended[0]
            checkpoint = stacks.checkpoint(tenant)
            if checkpoint.pending and not cloud_state(checkpoint).held:
                # This run has observed them: by the journal, by the zones, or by creating them.
                self._run(tenant, ("clear",), Listener(progress), deadline, extra=extra)
                checkpoint = stacks.checkpoint(tenant)
            return cloud_state(checkpoint)

    def destroy(
        self,
        tenant: str,
        progress: Progress,
        *,
        deadline: timedelta,
        fence: int | None = None,
        background: bool = False,
        forgotten: Collection[str] = (),
    ) -> None:
        """Delete everything of the tenant and the stack itself. Idempotent.

        Where records cannot be deleted, everything else is, and their fault is raised.
        """
        with self._located(tenant):
            fenced = raise_fence(self._installation, tenant, fence, self._environment)
            fenced |= _background(background)
            self._take_over(tenant, progress, fence)
            hosts = self.state(tenant).hosts
            in_state = [host.service_id for host in hosts if host.service_id is not None]
            environment = {**self._environment, **fenced}
            with Untracked(self._installation, tenant, environment) as untracked:
                untracked.terminate(in_state, progress)
                if self._stacks().exists(tenant) or self._stacks().zones(tenant):
                    listener, extra = Listener(progress), {**fenced, **_forgotten(forgotten)}
                    kinds = self._with_stack(tenant, "retire")
                    self._run(tenant, kinds, listener, deadline, extra=extra)
                    # Servers that are no longer in the state: they were deleted in the portal.
                    untracked.terminate((), progress)
                    for held in listener.held:
                        raise Fault(code_of(held.code), held.message, held.remedy)
                    left = self._stacks().resources(tenant)
                    is_empty = all(resource["type"] == STACK for resource in left)
                    kinds = ("remove",) if is_empty else ("destroy", "remove")
                    self._run(tenant, kinds, Listener(progress), deadline, extra=fenced)
                    self._stacks().prune(tenant, keep=0)
            shutil.rmtree(self._root / tenant, ignore_errors=True)

    def _end_unwanted(
        self, blueprint: Blueprint, environment: Mapping[str, str], progress: Progress
    ) -> list[Fault]:
        """End purchases of interrupted runs that are not wanted any more; return the faults."""
        rows = self._stacks().resources(blueprint.tenant)
        in_state = {str(row["id"]) for row in rows if row.get("id")}
        with Untracked(self._installation, blueprint.tenant, environment) as untracked:
            return untracked.end_unwanted(blueprint, in_state, progress)

    def _stacks(self) -> Stacks:
        return Stacks(self._environment["PULUMI_BACKEND_URL"])

    def _with_stack(self, tenant: str, kind: Kind) -> tuple[Kind, ...]:
        return (kind,) if self._stacks().exists(tenant) else ("init", kind)

    def _take_over(self, tenant: str, progress: Progress, fence: int | None) -> None:
        for lock in clear_stale_locks(self._stacks(), tenant, fence):
            progress(f"removed the lock of our process {lock.pid}, which is dead")

    def _run(
        self,
        tenant: str,
        kinds: tuple[Kind, ...],
        listener: Listener,
        deadline: timedelta,
        blueprint: Blueprint | None = None,
        extra: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Run commands in a process; raises a fault if one fails."""
        job = self._job(tenant, kinds, blueprint, extra)
        code = self._run_job(job, listener, deadline)
        if code:
            killed = code < 0  # what it had printed by then is no reason
            output = [] if killed else [Diagnostic(None, " ".join(listener.errors()))]
            fault = explain(listener.diagnostics or output, tenant, code)
            if fault is not None:
                raise fault

    def _run_job(self, job: Job, listener: Listener, deadline: timedelta) -> int:
        """Run the job in its own process, then kill the remaining processes that it started.

        At its deadline, or when it is cancelled, it is interrupted: the engine waits for calls
        under way and writes its state. If that takes too long it is killed.
        """
        end = self._clock() + deadline.total_seconds()
        late = OPERATION_ENDED(reason=f"it took longer than {deadline}")
        try:
            with self._forks.worker(job) as connection:
                code = self._listen(connection, listener, end, is_cancelled)
                if code is not None:
                    return code
                if is_cancelled():
                    late, end = OPERATION_ENDED(reason="it was cancelled"), self._clock()
                connection.send(INTERRUPT)
                if self._listen(connection, listener, end + GRACE.total_seconds()) != 0:
                    raise late
                return 0
        except (EOFError, ConnectionError):
            raise OPERATION_ENDED(reason="its process was killed") from None
        finally:
            end_leftovers(f"{MARK}={job.mark}")

    def _listen(
        self,
        connection: Connection,
        listener: Listener,
        end: float,
        is_over: Callable[[], bool] = lambda: False,
    ) -> int | None:
        """Handle what a worker reports; return the exit code, None if it has not ended in time.

        `is_over` is asked about every second whether that is now.
        """
        while not is_over():
            if not connection.poll(min(max(end - self._clock(), 0), POLL_SECONDS)):
                if self._clock() >= end:
                    break
                continue
            kind, value = connection.recv()
            if kind == "done":
                return int(value)
            if kind == "peak":
                note_peak(int(value))
            elif kind == "event":
                listener.handle(value)
            else:
                listener.handle_line(value)
        return None

    def _job(
        self,
        tenant: str,
        kinds: tuple[Kind, ...],
        blueprint: Blueprint | None,
        extra: Mapping[str, str],
    ) -> Job:
        directory = self._directory(tenant)
        home = self._private_home(directory)
        command = shutil.which("pulumi", path=self._environment["PATH"])
        if command is None:
            raise ENGINE_INCOMPLETE(reason="there is no command `pulumi`")
        return Job(
            kinds=kinds,
            tenant=tenant,
            installation=self._installation,
            blueprint=blueprint.model_dump_json(by_alias=True) if blueprint else None,
            command=command,
            directory=directory,
            environment={**self._environment, **extra, "PULUMI_HOME": str(home)},
            gateway=self._gateway,
            mark=uuid.uuid4().hex,
            controller=own_identity(),
            memory=self._memory,
        )

    def _directory(self, tenant: str) -> Path:
        directory = self._root / tenant
        directory.mkdir(parents=True, exist_ok=True)
        project = directory / "Pulumi.yaml"
        if not project.exists():
            project.write_text(PROJECT_FILE)
        return directory

    def _private_home(self, directory: Path) -> Path:
        """Return the tenant's own PULUMI_HOME, with the shared plugins."""
        home, plugins = directory / "home", Path(self._environment["PULUMI_HOME"]) / "plugins"
        home.mkdir(exist_ok=True)
        files.link(home / "plugins", plugins)
        return home

    @contextmanager
    def _located(self, tenant: str) -> Iterator[None]:
        """Set the stack as the position of every fault."""
        where = f"stack/{tenant}"
        try:
            yield
        except Fault as fault:
            fault.at(where)
            raise


def _background(background: bool) -> dict[str, str]:
    """Return the variable of an operation that nobody asked for."""
    return {BACKGROUND: "1"} if background else {}


def _forgotten(zones: Collection[str]) -> dict[str, str]:
    """Return the variable by which the program gets to know zones that a person gave up."""
    return {FORGOTTEN_ZONES: " ".join(zones)}


def _replaced(generation: int | None) -> dict[str, str]:
    """Return the variable that permits to go back from a generation, where one is given."""
    return {} if generation is None else {REPLACED_GENERATION: str(generation)}
