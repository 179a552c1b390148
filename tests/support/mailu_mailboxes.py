"""A test double of the port `Mailboxes`: hosts whose Mailu is a stand-in in this process."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from controlplane.ansible.faults import UNREACHABLE
from controlplane.mailboxes.answering import answered
from controlplane.mailboxes.repository import Question
from controlplane.mailu.api import Api
from controlplane.mailu.comparison import Plan
from controlplane.mailu.declared import TenantMail
from controlplane.mailu.own_tokens import OwnTokens
from controlplane.mailu.reconciling import Removals, reconcile
from controlplane.mailu.stopping import Stops, apply_stops
from controlplane.reconciler.ports import Login, ObservedHost, Progress
from kit.faults import Fault
from tests.support.mailu_admin import StandIn
from tests.support.plain_http import plain_client


class StandInMailboxes:
    """All hosts have the same Mailu, reached without SSH, by the token that it was started with."""

    def __init__(self, admin: StandIn) -> None:
        self._admin = admin
        self.calls: list[tuple[str, str]] = []
        """Host and token of each."""
        self.fences: list[int] = []
        """Token of the lease of each."""
        self.dead = False
        self.kept_files: set[str] = set()
        """Names whose files cannot be removed."""
        self.purged: list[str] = []
        self.held = 0
        """How often mail was held."""
        self.ended: list[str] = []
        """Mailboxes whose sessions were ended."""
        self.moved: list[list[str]] = []
        """Mailboxes whose mail of before Mailu was moved, each time."""
        self.stuck: Fault | None = None
        """Why none can be moved."""

    def reconcile(
        self,
        host: ObservedHost,
        login: Login,
        token: str,
        tenants: Sequence[TenantMail],
        removals: Removals,
        own: OwnTokens,
        *,
        progress: Progress,
    ) -> Plan:
        """Reconcile the stand-in."""
        self._call(host, login, token)
        with plain_client(self._admin.url) as http:
            api = Api(http, self._admin.token, f"host/{host.name}")
            return reconcile(
                api,
                tenants,
                removals,
                own,
                purge=self._purge,
                hold=self._hold,
                progress=progress,
            )

    def stop(
        self, host: ObservedHost, login: Login, token: str, stops: Stops, *, progress: Progress
    ) -> None:
        """Stop and start mailboxes of the stand-in."""
        self._call(host, login, token)
        with plain_client(self._admin.url) as http:
            api = Api(http, self._admin.token, f"host/{host.name}")
            apply_stops(api, stops, end_sessions=self.ended.extend, progress=progress)

    def _call(self, host: ObservedHost, login: Login, token: str) -> None:
        self.calls.append((host.name, token))
        self.fences.append(login.fence)
        if self.dead:
            raise UNREACHABLE(reason="no route", where=f"host/{host.name}")

    def move(
        self, host: ObservedHost, login: Login, addresses: Collection[str], *, progress: Progress
    ) -> None:
        """Note what is moved."""
        if self.stuck is not None:
            raise self.stuck
        self.moved.append(sorted(addresses))

    def _hold(self) -> None:
        self.held += 1

    def _purge(self, names: Collection[str]) -> Collection[str]:
        self.purged += sorted(set(names) - self.kept_files)
        return self.kept_files.intersection(names)

    def answer(
        self,
        host: ObservedHost,
        login: Login,
        token: str,
        tenant: str,
        questions: Sequence[Question],
    ) -> list[dict[str, Any]]:
        """Answer by the stand-in."""
        self._call(host, login, token)
        with plain_client(self._admin.url) as http:
            api = Api(http, self._admin.token, f"host/{host.name}")
            return [answered(api, tenant, question) for question in questions]
