"""Client of the tenant API: responses are validated by its schemas, errors are raised as faults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx2
from pydantic import BaseModel, ValidationError

from blueprint.document import Blueprint
from blueprint.tenant import Tenant
from cli.connection import connection
from cli.environment import environment
from cli.faults import FOREIGN_ANSWER, UNREACHABLE, USAGE, relayed
from controlplane.messages.schemas import Queued
from controlplane.schemas import Page, ProblemDocument, ProblemViolation
from controlplane.tenants.schemas import TenantView
from kit.faults import Fault, Violation
from kit.web import verification
from sender.schemas import Explanation

TIMEOUT = 30
"""Seconds."""
PAGE = 100
"""Items per page: the maximum of the API."""

LOOPBACK = {"127.0.0.1", "::1", "localhost"}

M = TypeVar("M", bound=BaseModel)


def path_of(kind: str, name: str) -> str:
    """Return the path of a resource, of a kind such as `tenants`; its name is escaped."""
    if not name.strip():
        raise USAGE(mistake="the name is empty", remedy=f"see `penguin get {kind}`")
    return f"/{kind}/{quote(name.strip(), safe='')}"


def tenant_path(name: str) -> str:
    """Return the path of a tenant."""
    return path_of("tenants", name)


@dataclass(frozen=True)
class Api:
    """A client of `/api/v1` with one key."""

    url: str
    key: str
    transport: httpx2.BaseTransport | None = field(default=None, compare=False)
    """None: the network."""

    def get(self, path: str, model: type[M], **query: Any) -> M:
        """GET a document."""
        return _read(self._request("GET", path, params=query), model)

    def find(self, path: str, model: type[M]) -> M | None:
        """GET a document; None where there is none."""
        try:
            return self.get(path, model)
        except Fault as fault:
            if fault.code.status == httpx2.codes.NOT_FOUND:
                return None
            raise

    def post(self, path: str, model: type[M], body: object, **query: Any) -> M:
        """POST a document."""
        return _read(self._request("POST", path, json=body, params=query), model)

    def delete(self, path: str, **query: Any) -> None:
        """DELETE."""
        self._request("DELETE", path, params=query)

    def apply(self, tenant: Tenant, **query: Any) -> tuple[str, TenantView]:
        """Write a tenant's document; return created, configured or unchanged, and the tenant."""
        path = tenant_path(tenant.metadata.name)
        document = tenant.model_dump(mode="json", by_alias=True)
        response = self._request("PUT", path, json=document, params=query)
        return response.headers.get("Penguin-Outcome", ""), _read(response, TenantView)

    def render(self, tenant: Tenant) -> Blueprint:
        """Return the blueprint that the API derives from a tenant document, without storing it."""
        return self.post("/blueprints", Blueprint, tenant.model_dump(mode="json", by_alias=True))

    def enqueue(self, message: Mapping[str, object], tenant: str | None = None) -> str:
        """Queue a message and return its id; a repeated request queues it once."""
        response = self._request(
            "POST",
            "/messages",
            json=message,
            params={"tenant": tenant} if tenant else {},
            headers={"Idempotency-Key": str(uuid4())},
        )
        return str(_read(response, Queued).id)

    def explain(self, message: str) -> Explanation:
        """Return a message with its history, by id or Message-ID."""
        return self.get(path_of("messages", message), Explanation)

    def pages(self, path: str, page: type[Page[M]], **query: Any) -> Iterator[M]:
        """Yield the items of all pages of a list."""
        cursor: dict[str, str] = {}
        while True:
            response = self.get(path, page, limit=PAGE, **query, **cursor)
            yield from response.items
            if not response.next:
                return
            cursor = {"cursor": response.next}

    def lines(self, path: str, **query: Any) -> Iterator[str]:
        """Yield the lines of a text as they arrive."""
        # An operation may be silent for long; only connecting has to be quick.
        timeout = httpx2.Timeout(TIMEOUT, read=None)
        try:
            with (
                self._client(timeout) as client,
                client.stream("GET", self._address(path), params=query) as response,
            ):
                if response.is_error:
                    response.read()
                    raise problem_of(response)
                yield from response.iter_lines()
        except httpx2.HTTPError as error:
            raise _unreachable(self.url, error) from None

    def _request(self, method: str, path: str, **content: Any) -> httpx2.Response:
        try:
            with self._client(TIMEOUT) as client:
                response = client.request(method, self._address(path), **content)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise _unreachable(self.url, error) from None
        if response.is_error:
            raise problem_of(response)
        return response

    def _client(self, timeout: float | httpx2.Timeout) -> httpx2.Client:
        return httpx2.Client(
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=timeout,
            transport=self.transport,
            verify=verification(self.url),
            # No proxy for requests to this machine.
            trust_env=urlsplit(self.url).hostname not in LOOPBACK,
        )

    def _address(self, path: str) -> str:
        return f"{self.url}/api/v1{path}"


def connect() -> Api:
    """Return a client of the configured API, or of the one that runs on this machine."""
    return Api(*connection(), transport=environment().transport)


def _read(response: httpx2.Response, model: type[M]) -> M:
    """Validate a response; a newer control plane may have more fields."""
    try:
        return model.model_validate_json(response.content, extra="ignore")
    except ValidationError:
        raise FOREIGN_ANSWER(status=response.status_code, where=response.request.url) from None


def problem_of(response: httpx2.Response) -> Fault:
    """Read problem details (RFC 9457), with each of several violations."""
    try:
        problem = ProblemDocument.model_validate_json(response.content)
    except ValidationError:
        return FOREIGN_ANSWER(status=response.status_code, where=response.request.url)
    return relayed(
        problem.code,
        problem.detail,
        problem.remedy,
        status=problem.status,
        violations=tuple(_violation(entry) for entry in problem.violations),
    ).at(response.request.url.path)


def _violation(entry: ProblemViolation) -> Violation:
    fault = relayed(entry.code, entry.detail, entry.remedy)
    return Violation(fault.code, fault.message, fault.remedy, path=entry.path)


def _unreachable(url: str, error: Exception) -> Fault:
    reasons = ((httpx2.TimeoutException, "no answer in time"), (httpx2.InvalidURL, "no such URL"))
    description = next((text for kind, text in reasons if isinstance(error, kind)), "")
    return UNREACHABLE(reason=str(error) or description or "the connection broke", where=url)
