"""Phase `draining`: keeps what the document no longer wants until its hosts have sent all mail."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, timedelta

import structlog

from controlplane.conditions.model import TENANT, Verdict, bad, ok
from controlplane.events.repository import emit
from controlplane.reconciler.faults import DRAINING
from controlplane.reconciler.phase import Phase, Step, Verdicts
from controlplane.reconciler.ports import CloudEngine, Login, ObservedHost, Progress, Spools
from controlplane.reconciler.purposes import SSH
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, subject
from controlplane.reconciler.table import Row
from controlplane.schedule.repository import Priority, request_pass
from controlplane.tenants import draining as draining_rows
from controlplane.tenants.draining import Draining as DrainingRow
from kit.faults import Fault
from sender import draining as sender

log = structlog.get_logger()


@dataclass(frozen=True)
class Waiting:
    """What an address has to send before it is released."""

    row: DrainingRow
    in_hand: int | None
    """Mails that are being handed over to it; None: some may still begin."""
    queue_ids: Collection[str] = ()
    """Of what its host has."""
    trouble: str = ""
    """Why the host could not be asked."""

    @property
    def may_be_released(self) -> bool:
        """Whether nothing is left to send, or nothing is waited for."""
        is_empty = self.in_hand == 0 and not self.queue_ids and not self.trouble
        return is_empty or self.row.is_over

    @property
    def words(self) -> str:
        """What is left to send."""
        parts = [f"{_mails(len(self.queue_ids))} on its host"] if self.queue_ids else []
        if self.trouble:
            parts.append(f"its host cannot be asked ({self.trouble})")
        if self.in_hand is None:
            parts.append("mail may still be handed over")
        elif self.in_hand:
            parts.append(f"{_mails(self.in_hand)} being handed over")
        return ", ".join(parts) or "nothing to send"


Observed = Sequence[Waiting]


class Draining(Phase[Observed]):
    """Asks the hosts of addresses that drain, and releases those that have nothing to send.

    What is released is no longer in the blueprint of the next pass, which removes it.
    """

    row = Row(
        name="draining",
        condition="Drained",
        about="no address that was taken out of the document is kept for mail that it has to send",
        subjects=frozenset({Kind.TENANT}),
        needs=("keys", "cloud"),
        required=False,
    )

    def __init__(self, engine: CloudEngine, spools: Spools, *, limit: timedelta) -> None:
        """`limit` is how long an address is kept."""
        self._engine = engine
        self._spools = spools
        self._limit = limit

    async def observe(self, snapshot: Snapshot, session: Session) -> Observed:
        """Return what the addresses have to send: first what the sender hands over to them."""
        rows = [row for row in snapshot.draining if not row.is_released]
        if not rows:
            return ()
        async with session.read() as connection:
            in_hand = await sender.in_hand(
                connection,
                tenant_id=snapshot.tenant.id,
                addresses=[row.address for row in rows],
            )
        by_host: defaultdict[str, list[DrainingRow]] = defaultdict(list)
        for row in rows:
            by_host[row.host.name].append(row)
        hosts = {host.name: host for host in snapshot.cloud.hosts}
        looks = [
            self._look(snapshot, hosts.get(name), own, in_hand) for name, own in by_host.items()
        ]
        return [waiting for found in await asyncio.gather(*looks) for waiting in found]

    def verdicts(self, observed: Observed, snapshot: Snapshot) -> Verdicts:
        """Return whether nothing is kept."""
        if observed:
            return {TENANT: self._verdict(observed)}
        if snapshot.retired:
            names = ", ".join(sorted(snapshot.retired))
            return {TENANT: bad("Released", f"removed by the next pass: {names}")}
        return {TENANT: ok("NothingKept")}

    def steps(self, observed: Observed, snapshot: Snapshot) -> Sequence[Step]:
        """Release what has nothing to send, or was kept for long enough."""
        del snapshot
        return [Step()] if any(waiting.may_be_released for waiting in observed) else []

    async def converge(
        self, step: Step, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Release addresses, and request the pass that removes them."""
        del step, progress
        await self._release(await self.observe(snapshot, session), snapshot, session)

    async def remove(self, snapshot: Snapshot, session: Session) -> None:
        """Raise while hosts of a deleted tenant have mail to send.

        What was released stays so: after the first attempt to remove hosts some may be gone.
        """
        name = snapshot.tenant.name
        snapshot.cloud = await asyncio.to_thread(self._engine.state, name)
        observed = await self.observe(snapshot, session)
        await self._release(observed, snapshot, session)
        left = [waiting for waiting in observed if not waiting.may_be_released]
        if left:
            verdict = self._verdict(left)
            snapshot.conditions.set(TENANT, self.row.condition, verdict)
            raise DRAINING(tenant=name, what=verdict.message)
        snapshot.conditions.set(TENANT, self.row.condition, ok("NothingKept"))

    async def _look(
        self,
        snapshot: Snapshot,
        host: ObservedHost | None,
        rows: Sequence[DrainingRow],
        in_hand: Mapping[str, int | None],
    ) -> list[Waiting]:
        """Ask one host. One that does not exist, or was never configured, has no mail."""
        found = [Waiting(row, in_hand[row.address]) for row in rows]
        known = snapshot.hosts.get(rows[0].host.name)
        if host is None or host.primary_ip is None or known is None or known.host_key is None:
            return found
        login = Login(known.host_key, snapshot.secrets.open(SSH))
        names = [row.address for row in rows]
        try:
            queues = await asyncio.to_thread(self._spools.look, host, login, names)
        except Fault as fault:
            return [replace(waiting, trouble=fault.message) for waiting in found]
        return [replace(waiting, queue_ids=queues[waiting.row.address]) for waiting in found]

    def _verdict(self, observed: Observed) -> Verdict:
        parts = []
        for waiting in observed:
            end = (waiting.row.since + self._limit).astimezone(UTC)
            what = f"{subject(Kind.ADDRESS, waiting.row.address)}: {waiting.words}"
            parts.append(f"{what}, released {end:%Y-%m-%d %H:%M} UTC at the latest")
        return bad("Draining", "; ".join(parts))

    async def _release(self, observed: Observed, snapshot: Snapshot, session: Session) -> None:
        """Release what may be, and say of mail that is lost that it is."""
        tenant = snapshot.tenant
        released = [waiting for waiting in observed if waiting.may_be_released]
        if not released:
            return
        events = []
        async with session.begin() as connection:
            for waiting in released:
                row, lost = waiting.row, 0
                if waiting.queue_ids:
                    lost = await sender.lose(
                        connection,
                        tenant_id=tenant.id,
                        address=row.address,
                        queue_ids=waiting.queue_ids,
                    )
                await draining_rows.release(connection, tenant.id, row.address)
                events.append((row.address, *_event(waiting, lost)))
            await request_pass(connection, tenant.id, Priority.USER, now=session.clock())
            for address, reason, message in events:
                log.info("address released", tenant=tenant.name, address=address, what=message)
                await emit(
                    connection,
                    tenant_id=tenant.id,
                    tenant=tenant.name,
                    at=session.clock(),
                    subject=subject(Kind.ADDRESS, address),
                    kind="draining",
                    reason=reason,
                    message=message,
                )
        names = {waiting.row.address for waiting in released}
        snapshot.draining = [
            replace(row, is_released=row.is_released or row.address in names)
            for row in snapshot.draining
        ]


def _event(waiting: Waiting, lost: int) -> tuple[str, str]:
    """Return reason and message of the event of a release."""
    if waiting.words == "nothing to send":
        return "Drained", "its host has sent all mail; it is released"
    said = f", of which {lost} are marked address_released" if waiting.queue_ids else ""
    return "MailLost", f"it is released with mail that is lost: {waiting.words}{said}"


def _mails(count: int) -> str:
    return "1 mail" if count == 1 else f"{count} mails"
