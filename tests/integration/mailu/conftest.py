"""A stand-in for Mailu's admin, and a client of ours whose connection can break."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from controlplane.mailu.api import Api
from controlplane.mailu.applying import apply
from controlplane.mailu.comparison import Plan, Removal, compare
from controlplane.mailu.declared import TenantMail, declared
from controlplane.mailu.observed import Observed, observe
from lab.mailu.admin.valkey import Valkey
from tests.support.mailu_admin import StandIn, stand_in, valkey_on_tcp
from tests.support.plain_http import plain_client

PASSWORD = "a password that ann chose"

After = Callable[[httpx2.Request, httpx2.Response], httpx2.Response]


class Killed(BaseException):
    """Our process ends here: no handler of an error runs."""


class Wire(httpx2.BaseTransport):
    """The connection to admin; `after` sees each request that admin has answered."""

    def __init__(self) -> None:
        self._inner = httpx2.HTTPTransport(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self.requests: list[httpx2.Request] = []
        self.after: After = lambda _, answer: answer

    @property
    def writes(self) -> list[str]:
        """The requests that may have changed something."""
        return [f"{r.method} {r.url.path}" for r in self.requests if r.method != "GET"]

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return self.after(request, self._inner.handle_request(request))

    def close(self) -> None:
        self._inner.close()


@dataclass
class Host:
    """One host with Mailu, as an operation of ours meets it."""

    admin: StandIn
    keys: Path
    wire: Wire = field(default_factory=Wire)
    recorded: list[Removal] = field(default_factory=list)

    def api(self, token: str | None = None) -> Api:
        """Return a client."""
        http = httpx2.Client(base_url=self.admin.url, transport=self.wire, trust_env=False)
        return Api(http, token or self.admin.token, "host/mx1")

    def seen(self, *tenants: TenantMail) -> Observed:
        """Return what is there."""
        return observe(self.api(), declared(tenants))

    def plan(self, *tenants: TenantMail, unpurged: tuple[str, ...] = ()) -> Plan:
        """Return what there is to do."""
        wanted = declared(tenants)
        return compare(wanted, observe(self.api(), wanted), unpurged)

    def run(self, *tenants: TenantMail, confirmed: tuple[str, ...] = ()) -> list[str]:
        """Do it, and return what was done."""
        plan = self.plan(*tenants)
        return list(apply(self.api(), plan, record=self.recorded.append, confirmed=confirmed))

    def person(self, method: str, path: str, body: object = None) -> Any:
        """Do something behind our back, in Mailu's administration."""
        with plain_client(self.admin.url, {"Authorization": self.admin.token}) as client:
            answer = client.request(method, f"/api/v1{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def made(self, path: str, **fields: Any) -> None:
        """Make something behind our back."""
        self.person("POST", path, fields)


@pytest.fixture(scope="session")
def mailu_valkey() -> Iterator[str]:
    with valkey_on_tcp() as address:
        yield address


@pytest.fixture
def make_host(mailu_valkey: str, tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Make hosts, each with a database of its own; failed logins are forgotten."""
    open_: list[tuple[AbstractContextManager[StandIn], Host]] = []

    def make(**settings: str) -> Host:
        directory = tmp_path / str(len(open_))
        directory.mkdir()
        Valkey(mailu_valkey).run(("FLUSHALL",))
        running = stand_in(directory, mailu_valkey, **settings)
        host = Host(running.__enter__(), directory)
        open_.append((running, host))
        return host

    yield make
    for running, host in open_:
        host.wire.close()
        running.__exit__(None, None, None)


@pytest.fixture
def host(make_host: Callable[..., Host]) -> Host:
    return make_host()
