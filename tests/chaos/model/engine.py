"""A `CloudEngine` without Pulumi, of the product's own parts wherever it has some.

The product's: purchases, their journal and fence, the four resources of our provider, what it ends
beside the state, the program's look-ups of zones, and how a state is read. This one's: which
resource is written when, and what is in a checkpoint. It is not kinder than Pulumi: each resource
has a checkpoint of its own, after its answer; after a failure the others of the run come by chance,
and nothing is deleted; outputs are written all the same, a digest too; a run that was overtaken
goes on, and writes what it knew over the later state.
"""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from blueprint.document import Blueprint
from controlplane.pulumi.faults import RECORD_GONE
from controlplane.pulumi.purchases import Untracked, raise_fence
from controlplane.pulumi.state import cloud_state
from controlplane.reconciler.faults import OPERATION_ENDED
from controlplane.reconciler.ports import CloudPlan, CloudState, Progress
from hostwinds.client import Client
from hostwinds.journal import journal_from_environment
from hostwinds.provider.resources import Services
from hostwinds.purchase import Buyer, Deadlines
from kit.faults import Fault
from stacks import cloudflare_api
from stacks.backend import Checkpoint
from tests.chaos.model.ends import Ends, OperationKilled
from tests.chaos.model.run import Run, Stack, resources
from tests.support.installation import INSTALLATION

POLL, LISTED_WITHIN = 600.0, 1800.0
"""Seconds between two looks for what was bought, and for which it is looked for."""


class SteppingEngine:
    """Runs one operation after the other, in the thread of its caller."""

    def __init__(
        self,
        environment: Mapping[str, str],
        ends: Ends,
        chance: random.Random,
        pause: Callable[[float], None],
        age: Callable[[float], None],
    ) -> None:
        """`pause` lets time pass at the providers, and `age` for what purchases have written.

        That comes at the end of a run, which knows by itself how long it has waited.
        """
        self.stacks: dict[str, Stack] = {}
        self.running: set[str] = set()
        """Tenants with an operation whose lease has not ended."""
        self.beside: list[str] = []
        """Operations that began beside one of these."""
        self._environment = dict(environment)
        self._ends = ends
        self._chance = chance
        self._pause = pause
        self._age = age
        self._times = itertools.count(1)
        self._zones: dict[str, Mapping[str, str]] = {}

    def zones(self, stack: str) -> dict[str, str]:
        """Return the zones where records of a stack were written."""
        return dict(self._zones.get(stack, {}))

    def remember_zones(self, stack: str, zones: Mapping[str, str]) -> None:
        """Remember them beside the state."""
        self._zones[stack] = dict(zones)

    def state(self, tenant: str) -> CloudState:
        """Read the last checkpoint."""
        stack = self.stacks.get(tenant, Stack())
        return cloud_state(Checkpoint(resources(stack), stack.written))

    def version(self, tenant: str) -> str | None:
        """Return when the last checkpoint was written."""
        stack = self.stacks.get(tenant)
        return stack.written if stack is not None else None

    def preview(self, blueprint: Blueprint, progress: Progress) -> CloudPlan:
        """Return nothing: passes do not ask."""
        raise NotImplementedError

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
        """Apply a blueprint, as the engine of the product does."""
        del deadline, background, forgotten
        tenant = blueprint.tenant
        with self._process(tenant):
            extra = raise_fence(INSTALLATION, tenant, fence, self._environment)
            environment = {**self._environment, **extra}
            known = {row["id"] for row in resources(self._stack(tenant)) if row.get("id")}
            with Untracked(INSTALLATION, tenant, environment) as untracked:
                unended = untracked.end_unwanted(blueprint, known, progress)
            with self._run(tenant, environment, progress, lost_pointers) as run:
                run.refuse_lower(blueprint, replaced)
                try:
                    run.apply(blueprint, refreshed=refreshed)
                except Fault as fault:
                    if fault.code is not RECORD_GONE:
                        raise
                    run.apply(blueprint, refreshed=True)
                if run.adopted:
                    run.apply(blueprint, refreshed=False)
            if unended:
                raise unended[0]
        return self.state(tenant)

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
        """Delete everything of a tenant, and its state."""
        del deadline, background, forgotten
        with self._process(tenant):
            extra = raise_fence(INSTALLATION, tenant, fence, self._environment)
            environment = {**self._environment, **extra}
            ids = [h.service_id for h in self.state(tenant).hosts if h.service_id is not None]
            with Untracked(INSTALLATION, tenant, environment) as untracked:
                untracked.terminate(ids, progress)
                with self._run(tenant, environment, progress) as run:
                    run.delete_all()
                untracked.terminate((), progress)
            self._ends.reach("before a state is removed")
            self.stacks.pop(tenant, None)

    def refresh_by_hand(self, tenant: str) -> None:
        """Bring a state to what exists, as `pulumi refresh` does."""
        with self._run(tenant, self._environment, lambda _: None) as run:
            run.refresh()

    def write_by_hand(self, tenant: str, digest: str) -> None:
        """Let a state be that of an unknown blueprint."""
        stack = self._stack(tenant)
        if stack.outputs:
            stack.outputs["digest"] = digest
            self._write(tenant, stack)

    def _stack(self, tenant: str) -> Stack:
        return copy.deepcopy(self.stacks.get(tenant, Stack()))

    def _write(self, tenant: str, stack: Stack) -> None:
        self._ends.reach("before a checkpoint")
        stack.written = str(next(self._times))
        self.stacks[tenant] = copy.deepcopy(stack)
        self._ends.reach("after a checkpoint")

    @contextmanager
    def _process(self, tenant: str) -> Iterator[None]:
        if tenant in self.running:
            self.beside.append(f"{tenant} has two operations at a time under valid leases")
        self.running.add(tenant)
        try:
            with self._ends.operation():
                yield
        except OperationKilled:
            raise OPERATION_ENDED(reason="its process was killed") from None
        finally:
            self.running.discard(tenant)

    @contextmanager
    def _run(
        self,
        tenant: str,
        environment: Mapping[str, str],
        progress: Progress,
        lost_pointers: Collection[str] = (),
    ) -> Iterator[Run]:
        passed = timedelta()

        def pause(seconds: float) -> None:
            nonlocal passed
            passed += timedelta(seconds=seconds)
            self._pause(seconds)

        journal = journal_from_environment(environment)
        deadlines = Deadlines(poll=POLL, provisioning=LISTED_WITHIN, portal=0, server=0)
        with (
            Client.from_environment(environment, pause=pause) as client,
            cloudflare_api.credentials_in(environment),
        ):
            buyer = Buyer(
                client, journal, deadlines, clock=lambda: datetime.now(UTC) + passed, pause=pause
            )
            services = Services(client, buyer, progress, lost_pointers)
            stack = self._stack(tenant)
            write = partial(self._write, tenant, stack)
            try:
                yield Run(tenant, stack, services, journal, self._chance, write, self)
            finally:
                self._age(passed.total_seconds())
