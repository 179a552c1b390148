"""The mailboxes of a host's Mailu, by a forward to `admin`, which is published nowhere."""

from __future__ import annotations

import ssl
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx2

from controlplane.ansible.holding import hold, release
from controlplane.ansible.host_fence import raised
from controlplane.ansible.moving import move_mail
from controlplane.ansible.purging import purge
from controlplane.ansible.sessions import end_sessions
from controlplane.mailboxes.answering import answered
from controlplane.mailboxes.repository import Question
from controlplane.mailu.api import Api
from controlplane.mailu.comparison import Plan
from controlplane.mailu.declared import TenantMail
from controlplane.mailu.own_tokens import OwnTokens
from controlplane.mailu.reconciling import Removals, reconcile
from controlplane.mailu.stopping import Stops, apply_stops
from controlplane.reconciler.ports import Login, ObservedHost, Progress

ADMIN, PORT = "192.168.203.3", 8080
"""Of `admin` on the host's bridge. The same port gives out DKIM keys without any token."""


class HostMailboxes:
    """The `Mailboxes` of real hosts."""

    def __init__(self, admin: str = ADMIN) -> None:
        self._admin = admin

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
        """Bring a host to what its tenants declare, and return what is left; raises a fault.

        Mail is held from before a domain is made until all is there. After a fault it is for some
        more minutes: what cannot be made does not keep the mail of others for long.
        """
        is_held = False

        def hold_mail() -> None:
            nonlocal is_held
            hold(host, login)
            is_held = True

        def say(line: str) -> None:
            progress(f"{host.name}: {line}")

        def purged(names: Collection[str]) -> Collection[str]:
            left = purge(host, login, names)
            say(f"removed the files of {len(names) - len(left)} name(s), {len(left)} left")
            return left

        with self._api(host, login, token) as api:
            plan = reconcile(
                api, tenants, removals, own, purge=purged, hold=hold_mail, progress=say
            )
            if is_held:
                release(host, login)
            return plan

    def stop(
        self, host: ObservedHost, login: Login, token: str, stops: Stops, *, progress: Progress
    ) -> None:
        """Close mailboxes that are stopped, and open those that are no more; raises a fault."""
        with self._api(host, login, token, beside=True) as api:
            apply_stops(
                api,
                stops,
                end_sessions=partial(end_sessions, host, login),
                progress=lambda line: progress(f"{host.name}: {line}"),
            )

    def move(
        self, host: ObservedHost, login: Login, addresses: Collection[str], *, progress: Progress
    ) -> None:
        """Move the mail of before Mailu into mailboxes; raises a fault unless all is there."""
        with raised(host, login):
            move_mail(host, login, addresses, progress)

    def answer(
        self,
        host: ObservedHost,
        login: Login,
        token: str,
        tenant: str,
        questions: Sequence[Question],
    ) -> list[dict[str, Any]]:
        """Answer questions about a tenant's mailboxes; raises a fault where none is reached."""
        with self._api(host, login, token, beside=True) as api:
            return [answered(api, tenant, question) for question in questions]

    @contextmanager
    def _api(
        self, host: ObservedHost, login: Login, token: str, *, beside: bool = False
    ) -> Iterator[Api]:
        """Yield a client, under the fence of the host; `beside` a run of the playbooks, too.

        No proxy is asked, and no certificates are loaded: there is no TLS.
        """
        with raised(host, login, to=(self._admin, PORT), beside=beside) as session:
            without_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            transport = httpx2.HTTPTransport(verify=without_tls, uds=str(session.socket))
            url = f"http://{self._admin}:{PORT}"
            with httpx2.Client(base_url=url, transport=transport, trust_env=False) as http:
                yield Api(http, token, f"host/{host.name}")
