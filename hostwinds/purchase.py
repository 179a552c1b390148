"""Buys each server once: an intent first, then the order, then the listing of the account."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from hostwinds.client import Client
from hostwinds.faults import (
    FROZEN,
    HALF_DONE,
    INTERRUPTED,
    NAMED_OTHERWISE,
    NOT_IN_EFFECT,
    PENDING,
    PRICE_NOT_AGREED,
    PURCHASE_AMBIGUOUS,
    SERVER_LOCKED,
    SEVERAL_SERVERS,
    SIZE_NOT_ON_OFFER,
    VANISHED,
    OutcomeUnknown,
    Unclear,
)
from hostwinds.firewall import Needs, find
from hostwinds.journal.port import Frozen, Intent, Journal, address_key, close_server
from hostwinds.limits import check
from hostwinds.models import Instance, public_address
from hostwinds.numbers import number
from hostwinds.presence import Presence
from hostwinds.prices import Offer, read_prices
from hostwinds.unfinished import not_active, provisioning
from hostwinds.variables import END_DEADLINE, PORTAL_DEADLINE, SERVER_DEADLINE
from kit.faults import Fault

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
    firewall_profile: str = ""
    """Must exist: a server that can never get it is not bought. Empty: whatever it gets."""
    inbound: tuple[str, ...] = ()
    """What the profile is to let in, for the person who makes it."""


@dataclass(frozen=True)
class Deadlines:
    """How long operations of the provider may take; seconds."""

    poll: float = 30
    provisioning: float = 1800
    """The longest time until a new instance is listed and active."""
    portal: float = 20
    """How long to wait for an address before it is left to a later run."""
    server: float | None = None
    """The same for a new instance; None: until it is active, or `provisioning` is over."""
    end: float | None = None
    """The same for the end of one; None: until it is gone, or `provisioning` is over."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Deadlines:
        """Take `HOSTWINDS_POLL`, and `…_DEADLINE` of provisioning, portal and server."""
        defaults = cls()

        def seconds(name: str, default: float) -> float:
            return number(environment, f"HOSTWINDS_{name}", default)

        def wait(name: str) -> float | None:
            return number(environment, name, 0) if environment.get(name) else None

        return cls(
            poll=seconds("POLL", defaults.poll),
            provisioning=seconds("PROVISIONING_DEADLINE", defaults.provisioning),
            portal=number(environment, PORTAL_DEADLINE, defaults.portal),
            server=wait(SERVER_DEADLINE),
            end=wait(END_DEADLINE),
        )


class Buyer:
    """Instances and addresses, through one client and one journal."""

    def __init__(
        self,
        client: Client,
        journal: Journal,
        deadlines: Deadlines,
        *,
        tolerance: float = 0,
        presence: Presence | None = None,
        clock: Callable[[], datetime] | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`tolerance` is how far a price may exceed the one that was agreed to; per cent.

        Time is the journal's, whose rows say when something was ordered: a wrong clock of this
        machine must not make an order unclear that is a minute old. `clock` replaces it, and
        `presence` is that of a visit that has begun.
        """
        self.presence = presence or Presence(client, journal)
        self._tolerance = tolerance
        self._client = client
        self._journal = journal
        self._deadlines = deadlines
        self._clock = clock or journal.now
        self._pause = pause

    def instance(self, order: Order, progress: Progress) -> Instance:
        """Return the active instance with the order's name, buying it if it was not bought yet.

        Raises NOT_ACTIVE with the instance when it is not active in time, PROVISIONING when this
        run does not wait as long, HALF_DONE or PURCHASE_AMBIGUOUS when an intent has no certain
        outcome, VANISHED when its server is gone, INTERRUPTED while one of that name is ending.
        """
        intent = self._journal.find(order.name)
        if intent is not None and intent.ending_at is not None:
            if not self.end_instance(int(str(intent.outcome)), order.name, progress):
                raise INTERRUPTED(what=f"the earlier server {order.name} was gone")
            self._journal.agree(order.name, intent.agreed_cents or 0, intent.owner)
            intent = None
        intent = intent or self._order(order, progress)
        wait = self._deadlines.server
        leave = None if wait is None else self._clock() + timedelta(seconds=wait)
        listed = self._wait_until_listed(intent, progress, leave)
        return self._wait_until_active(listed, intent, progress, leave)

    def address(self, service_id: int, name: str, progress: Progress) -> str:
        """Return the address of this name, adopting one that was bought in the portal.

        Raises PENDING when none has appeared within the short deadline.
        """
        key, label = address_key(service_id, name), name.rpartition("/")[2]
        intent, new = self._journal.open(key)
        if intent.outcome:
            if intent.outcome in self._addresses(service_id):
                return intent.outcome
            progress(f"{label}: server {service_id} has lost {intent.outcome}")
            self._journal.close(key)
            intent, new = self._journal.open(key)
        if new:
            progress(
                f"{label}: one more address for server {service_id} must be bought in the portal"
            )
        deadline = self._clock() + timedelta(seconds=self._deadlines.portal)
        while True:
            adopted = self._journal.adopt(str(service_id), key, self._candidates(service_id))
            if adopted is not None:
                progress(f"{label}: adopted {adopted}")
                return adopted
            if self._clock() >= deadline:
                raise PENDING(name=label, service_id=service_id)
            self._pause(self._deadlines.poll)

    def main_address(self, server: Instance, known: str) -> str:
        """Return the main address of a server.

        The known one stays it where a person has made an adopted one the main address: the server
        has both, and mail leaves by either.
        """
        is_adopted = server.main_ip in self._journal.adopted(str(server.service_id))
        keeps = is_adopted and known in self._addresses(server.service_id)
        return known if keeps else server.main_ip

    def _addresses(self, service_id: int) -> list[str]:
        addresses = self.presence.addresses(service_id)
        if addresses is None:
            raise VANISHED(what=f"server {service_id}")
        return addresses

    def _candidates(self, service_id: int) -> list[str]:
        """List the further addresses of a server that no request has and no other server.

        None while it has no main address, or an adopted one: which one is the former main address
        is not known here.
        """
        addresses = [ip for ip in self._addresses(service_id) if public_address(ip)]
        adopted = self._journal.adopted(str(service_id))
        main = self._client.instance(service_id).main_ip
        free = [address for address in addresses if address not in (main, *adopted)]
        if not free or not main or main in adopted:
            return []
        others = [server for server in self.presence.listed() if server.service_id != service_id]
        taken = {address for other in others for address in (other.main_ip, *other.addresses)}
        return [address for address in free if address not in taken]

    def end_instance(self, service_id: int, name: str, progress: Progress) -> bool:
        """Terminate an instance, wait until it is gone, and close its purchase; idempotent.

        False where this run does not wait as long: the purchase says that it is ending, and is
        closed by a later call. A locked server is not terminated: it was locked in the portal.
        """
        rows = [row for row in self._journal.ledger() if row.outcome == str(service_id)]
        if not rows:
            self._journal.settle(name, str(service_id))  # a person can forget it
        began = self._clock()
        accepted = next((row.ending_at for row in rows if row.closed_at is None), None)
        deadline = (accepted or began) + timedelta(seconds=self._deadlines.provisioning)
        requested = accepted is not None and began < deadline
        wait = self._deadlines.end
        leave = None if wait is None else began + timedelta(seconds=wait)
        while (server := self.presence.server(service_id)) is not None:
            if not requested:
                _require_name(server, name)
                if server.locked:
                    raise SERVER_LOCKED(service_id=service_id, name=server.name)
                self._require_thawed(Frozen.DESTRUCTION, name, "ended")
                self._client.terminate(service_id)
                self._journal.begin_end(name)
                requested = True
                continue
            if self._clock() >= deadline:
                what = "it is still there after its termination"
                raise NOT_IN_EFFECT(service_id=service_id, what=what)
            progress(f"{name}: waiting until server {service_id} is gone")
            if leave is not None and self._clock() >= leave:
                return False
            self._pause(self._deadlines.poll)
        close_server(self._journal, name)
        return True

    def end_purchase(self, name: str, progress: Progress) -> bool:
        """End a server that is in the journal but in no stack state: its run was interrupted.

        False where it is not gone yet, as `end_instance` does.
        """
        intent = self._journal.find(name)
        if intent is None:
            self._journal.close(name)  # its price was agreed to
            return True
        if intent.outcome is None:
            intent = replace(
                intent, outcome=str(self._wait_until_listed(intent, progress).service_id)
            )
        return self.end_instance(int(str(intent.outcome)), name, progress)

    def end_address(self, service_id: int, name: str, address: str) -> None:
        """Release an address, if its server still has it, and close its purchase; idempotent.

        An empty address was requested and never adopted.
        """
        present = self.presence.addresses(service_id) if address else None
        if address in (present or ()):
            self._require_thawed(Frozen.DESTRUCTION, address, "released")
            self._client.release_address(service_id, address)
        self._journal.close(address_key(service_id, name))

    def _order(self, order: Order, progress: Progress) -> Intent:
        """Order, unless an instance of that name exists already (the journal was lost)."""
        offer = self._offer(order, progress)
        template = self._client.image_id(order.image)
        location = self._client.location_id(order.location)
        if any(instance.name == order.name for instance in self.presence.listed()):
            return self._journal.open(order.name)[0]
        self.presence.require_reach()
        if order.firewall_profile:
            needs = Needs(order.inbound)
            find(self._client.firewall_profiles(), order.firewall_profile, needs)
        agreed = self._require_agreement(order.name, offer)
        with self._client.fence.held():
            self._require_thawed(Frozen.PURCHASES, order.name, "ordered")
            most = self._ceiling(agreed)
            permit = partial(check, order.name, most)
            intent, new = self._journal.open(order.name, ceiling=most, permit=permit)
            if new:  # else another process wrote it a moment ago and orders
                price = f"{offer.name or offer.rid} at {usd(offer.cents)} a month"
                progress(f"ordering {order.name}: {price}")
                self._buy(order, offer, template, location, intent, progress)
        return intent

    def _buy(
        self,
        order: Order,
        offer: Offer,
        template: str,
        location: str,
        intent: Intent,
        progress: Progress,
    ) -> None:
        """Order under an intent, which a refusal closes."""
        try:
            self._client.order(
                name=order.name,
                template=template,
                rid=offer.rid,
                location_id=location,
                cycle=order.cycle,
            )
        except OutcomeUnknown as unknown:
            progress(f"{unknown}; checking whether it was bought")
        except Unclear as unclear:
            self._journal.answer(order.name, unclear.message)
            raise HALF_DONE(name=order.name, answer=unclear.message) from None
        except Fault as refusal:  # a definite one: nothing was bought
            self._journal.answer(order.name, refusal.message)
            self._journal.close(order.name)
            self._journal.agree(order.name, intent.agreed_cents or 0, intent.owner)
            raise

    def _offer(self, order: Order, progress: Progress) -> Offer:
        """Return the cheapest offer that has at least what the order asks for."""
        offers, odd = read_prices(self._client.price_list(), order.cycle)
        if odd:
            progress(f"{order.name}: passed over lines of the price list: {'; '.join(odd)}")
        for offer in offers:
            enough = offer.ram_mb >= order.ram_mb and offer.disk_mb >= order.disk_gb * 1024
            if enough and offer.cpu >= order.cpu:
                return offer
        raise SIZE_NOT_ON_OFFER(cpu=order.cpu, ram_mb=order.ram_mb, disk_gb=order.disk_gb)

    def _require_thawed(self, what: Frozen, name: str, done: str) -> None:
        """Raise FROZEN where a person has frozen what is about to be done, DATABASE_RESTORED."""
        self._journal.require_bound()
        freeze = self._journal.frozen(what)
        if freeze is not None:
            raise FROZEN(name=name, done=done, what=what, actor=freeze.actor, reason=freeze.reason)

    def _require_agreement(self, name: str, offer: Offer) -> int:
        """Return the price in cents that was agreed to, and covers the offer."""
        agreed = self._journal.agreed(name) or self._journal.agree(name, 0)  # a person may raise it
        if offer.cents > self._ceiling(agreed):
            shown = "no price" if agreed == 0 else f"at most {usd(self._ceiling(agreed))}"
            asked = usd(offer.cents).removesuffix(" USD")
            raise PRICE_NOT_AGREED(name=name, asked=asked, agreed=shown)
        return agreed

    def _ceiling(self, agreed: int) -> int:
        return int(agreed * (100 + self._tolerance) // 100)

    def _wait_until_listed(
        self, intent: Intent, progress: Progress, leave: datetime | None = None
    ) -> Instance:
        """Wait until the instance is listed, whatever the order answered.

        From `leave` on a later run waits in place of this one.
        """
        if intent.outcome is not None:
            server = self.presence.server(int(intent.outcome))
            if server is None:
                raise VANISHED(what=f"server {intent.outcome} ({intent.key})")
            _require_name(server, intent.key)
            return server
        deadline = self._latest(intent)
        while True:
            matches = [server for server in self.presence.listed() if server.name == intent.key]
            if len(matches) > 1:
                numbers = ", ".join(str(server.service_id) for server in matches)
                raise SEVERAL_SERVERS(numbers=numbers, name=intent.key)
            if matches:
                self._journal.settle(intent.key, str(matches[0].service_id), matches[0].account)
                return matches[0]
            if self._clock() >= deadline:
                opened = f"{intent.opened_at:%Y-%m-%d %H:%M:%S}"
                answer = intent.answer or "no answer is known"
                raise PURCHASE_AMBIGUOUS(name=intent.key, opened=opened, answer=answer)
            if intent.answer:
                raise HALF_DONE(name=intent.key, answer=intent.answer)
            progress(f"waiting until {intent.key} is listed")
            if leave is not None and self._clock() >= leave:
                raise provisioning(intent.key, deadline, None)
            self._pause(self._deadlines.poll)

    def _latest(self, intent: Intent) -> datetime:
        """Return when an instance is listed at the latest."""
        return intent.opened_at + timedelta(seconds=self._deadlines.provisioning)

    def _wait_until_active(
        self, instance: Instance, intent: Intent, progress: Progress, leave: datetime | None
    ) -> Instance:
        deadline = self._clock() + timedelta(seconds=self._deadlines.provisioning)
        while not instance.is_active:
            if instance.has_failed:
                raise not_active(instance, instance.status)
            if self._clock() >= (deadline if leave is None else self._latest(intent)):
                has_address = instance.main_ip or instance.status != "active"
                suffix = "" if has_address else " without a public IPv4 address"
                raise not_active(instance, f"still {instance.status}{suffix}")
            progress(f"{instance.name}: {instance.status} {instance.task_state or ''}".strip())
            if leave is not None and self._clock() >= leave:
                raise provisioning(instance.name, self._latest(intent), instance)
            self._pause(self._deadlines.poll)
            current = self.presence.server(instance.service_id)
            if current is None:
                raise VANISHED(what=f"server {instance.service_id} ({instance.name})")
            instance = current
        return instance


def _require_name(server: Instance, name: str) -> None:
    """Raise NAMED_OTHERWISE for a server that is not marked as ours: its number may be wrong."""
    if server.name != name:
        raise NAMED_OTHERWISE(service_id=server.service_id, label=server.name, name=name)


def usd(cents: int) -> str:
    """Format a price: 3899 is `38.99 USD`."""
    return f"{cents // 100}.{cents % 100:02} USD"
