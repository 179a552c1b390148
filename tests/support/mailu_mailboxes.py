"""A test double of the port `Mailboxes`: hosts whose Mailu is a stand-in in this process."""

from __future__ import annotations

import ssl
from collections.abc import Collection, Sequence

import httpx2

from controlplane.ansible.faults import UNREACHABLE
from controlplane.mailu.api import Api
from controlplane.mailu.applying import Record
from controlplane.mailu.comparison import Plan
from controlplane.mailu.declared import TenantMail
from controlplane.mailu.reconciling import reconcile
from controlplane.reconciler.ports import Login, ObservedHost, Progress
from tests.support.mailu_admin import StandIn


class StandInMailboxes:
    """All hosts have the same Mailu, reached without SSH, by the token that it was started with."""

    def __init__(self, admin: StandIn) -> None:
        self._admin = admin
        self.calls: list[tuple[str, str]] = []
        """Host and token of each."""
        self.dead = False
        self.confirmed: tuple[str, ...] = ()

    def reconcile(
        self,
        host: ObservedHost,
        login: Login,
        token: str,
        tenants: Sequence[TenantMail],
        *,
        unpurged: Collection[str],
        confirmed: Collection[str],
        record: Record,
        progress: Progress,
    ) -> Plan:
        """Reconcile the stand-in."""
        self.calls.append((host.name, token))
        if self.dead:
            raise UNREACHABLE(reason="no route", where=f"host/{host.name}")
        without_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with httpx2.Client(base_url=self._admin.url, verify=without_tls, trust_env=False) as http:
            return reconcile(
                Api(http, self._admin.token, f"host/{host.name}"),
                tenants,
                unpurged=unpurged,
                confirmed=(*confirmed, *self.confirmed),
                record=record,
                progress=progress,
            )
