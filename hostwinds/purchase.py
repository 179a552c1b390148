"""Buys without ever buying twice: an intent first, then the call, then looking."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hostwinds.client import Client
from hostwinds.errors import Ambiguous, AnswerLost, HostwindsError, Refused, Superseded
from hostwinds.journal.port import Intent, Journal
from hostwinds.models import Instance, PriceLine

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What to buy."""

    name: str
    cpu: int
    ram_mb: int
    disk_gb: int
    location: str
    image: str
    cycle: str = "monthly"


@dataclass(frozen=True)
class Patience:
    """How long the provider may take; seconds."""

    poll: float = 30
    provisioning: float = 1800
    """The longest that a new instance takes to show up and become active."""
    portal: float = 20
    """How long an address is waited for before it is left to a later run."""

    @classmethod
    def from_environment(cls) -> Patience:
        """Take `HOSTWINDS_POLL`, `HOSTWINDS_PROVISIONING_DEADLINE`, `HOSTWINDS_PORTAL_DEADLINE`."""
        default = cls()
        return cls(
            poll=float(os.environ.get("HOSTWINDS_POLL", default.poll)),
            provisioning=float(
                os.environ.get("HOSTWINDS_PROVISIONING_DEADLINE", default.provisioning)
            ),
            portal=float(os.environ.get("HOSTWINDS_PORTAL_DEADLINE", default.portal)),
        )


class StillPending(HostwindsError):
    """It is ordered and will come; the next run looks again."""

    code = "hostwinds.pending"
    remedy = "nothing for an instance; an address must be bought in the Hostwinds portal"
    retryable = True

    def __init__(self, message: str, instance: Instance | None = None) -> None:
        super().__init__(message)
        self.instance = instance


class Buyer:
    """Instances and addresses, through one client and one journal."""

    def __init__(
        self,
        client: Client,
        journal: Journal,
        patience: Patience,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._journal = journal
        self._patience = patience
        self._clock = clock
        self._pause = pause

    def instance(self, order: Order, progress: Progress) -> Instance:
        """Return the active instance with the order's name, buying it if nobody ever did.

        Raises StillPending with the instance when it is not active in time, Ambiguous when an
        intent has no outcome after the longest provisioning time.
        """
        intent = self._journal.find(order.name)
        if intent is not None and intent.outcome is not None:
            found = self._client.instance(int(intent.outcome))
            if found is not None:
                return self._active(found, progress)
            self._journal.close(order.name)  # it was seen once and is gone: somebody ended it
            intent = None
        if intent is None:
            intent = self._ordered(order, progress)
        return self._active(self._appeared(order.name, intent, progress), progress)

    def address(self, service_id: int, name: str, progress: Progress) -> str:
        """Return the address of this name, adopting one that was bought in the portal.

        Raises StillPending when none has appeared within the short deadline.
        """
        key = f"{service_id}/{name}"
        intent, new = self._journal.open(key)
        if intent.outcome:
            return intent.outcome
        if new:
            progress(
                f"{name}: one more address for server {service_id} must be bought in the portal"
            )
        deadline = self._clock() + timedelta(seconds=self._patience.portal)
        while True:
            _, *secondary = self._client.addresses(service_id) or [""]
            adopted = self._journal.adopt(str(service_id), key, secondary)
            if adopted is not None:
                progress(f"{name}: adopted {adopted}")
                return adopted
            if self._clock() >= deadline:
                raise StillPending(f"{name}: no free address at server {service_id} yet")
            self._pause(self._patience.poll)

    def forget_address(self, service_id: int, name: str) -> None:
        """Close the request of an address that was given back."""
        self._journal.close(f"{service_id}/{name}")

    def forget_instance(self, name: str) -> None:
        """Close the purchase of an instance that is gone."""
        self._journal.close(name)

    def _ordered(self, order: Order, progress: Progress) -> Intent:
        """Order, unless an instance of that name is there already (a journal that was lost)."""
        line = cheapest(self._client.price_list(), order)
        template = self._client.image_id(order.image)
        location = self._client.location_id(order.location)
        if any(instance.name == order.name for instance in self._client.instances()):
            return self._journal.open(order.name)[0]
        check_fence(self._journal)
        intent, ours = self._journal.open(order.name)
        if not ours:
            return intent  # another process wrote it a moment ago: it orders, we look
        progress(
            f"ordering {order.name}: {line.name or line.rid} at {line.monthly:.2f} USD a month"
        )
        try:
            self._client.order(
                name=order.name,
                template=template,
                rid=line.rid,
                location_id=location,
                cycle=order.cycle,
            )
        except AnswerLost as lost:
            progress(f"{lost}; looking whether it was bought")
        except HostwindsError:
            self._journal.close(order.name)  # the provider said no: nothing was bought
            raise
        return intent

    def _appeared(self, name: str, intent: Intent, progress: Progress) -> Instance:
        """Look for the instance until it shows up, however the order's answer read."""
        deadline = intent.opened_at + timedelta(seconds=self._patience.provisioning)
        told = False
        while True:
            for instance in self._client.instances():
                if instance.name == name:
                    self._journal.settle(name, str(instance.service_id))
                    return instance
            if self._clock() >= deadline:
                raise Ambiguous(
                    f"{name} was to be bought at {intent.opened_at:%Y-%m-%d %H:%M:%S} UTC and has "
                    "not shown up; it is not ordered again"
                )
            if not told:
                progress(f"waiting for {name} to show up")
                told = True
            self._pause(self._patience.poll)

    def _active(self, instance: Instance, progress: Progress) -> Instance:
        deadline = self._clock() + timedelta(seconds=self._patience.provisioning)
        said = ""
        while not instance.is_active:
            if instance.has_failed:
                raise Refused(
                    f"server {instance.service_id} ({instance.name}) is {instance.status}",
                    remedy="ask Hostwinds' support; it is not ordered again",
                )
            if self._clock() >= deadline:
                message = f"server {instance.service_id} is still {instance.status}"
                raise StillPending(message, instance)
            state = f"{instance.status} {instance.task_state or ''}".strip()
            if state != said:
                progress(f"{instance.name}: {state}")
                said = state
            self._pause(self._patience.poll)
            seen = self._client.instance(instance.service_id)
            if seen is None:
                raise Refused(f"server {instance.service_id} vanished while it was being made")
            instance = seen
        return instance


def cheapest(lines: list[PriceLine], order: Order) -> PriceLine:
    """Return the cheapest offer that has at least what the order asks for."""
    fitting = [
        line
        for line in lines
        if line.cpu >= order.cpu and line.ram >= order.ram_mb and line.disk >= order.disk_gb
    ]
    if not fitting:
        raise Refused(
            f"no offer has {order.cpu} CPU, {order.ram_mb} MB and {order.disk_gb} GB",
            remedy="choose a smaller size",
        )
    return min(fitting, key=lambda line: (line.monthly, line.rid))


def check_fence(journal: Journal) -> None:
    """Refuse to buy when a later holder of the lease has taken over.

    `HOSTWINDS_FENCE` is `name:token`, set by the reconciler for each operation; by hand, where
    Pulumi's own lock keeps others out, it is not set.
    """
    name, _, token = os.environ.get("HOSTWINDS_FENCE", "").partition(":")
    if name and journal.fence(name) > int(token):
        raise Superseded(f"another process works on {name} now; nothing was bought")
