"""The tenant API as the commands use it; every refusal is shown with its code and remedy."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx2

from cli.faults import (
    CONTEXT_INVALID,
    CONTEXT_MISSING,
    FOREIGN_ANSWER,
    UNREACHABLE,
    USAGE,
    relayed,
)
from kit.faults import Fault, Violation
from kit.paths import state_dir

CONTEXT = "context.json"
"""Where `penguin init` writes address and key of the API, in the state directory."""
SERVE = "serve.json"
"""Where a `penguin serve` of this machine writes its address."""
TIMEOUT = 30
"""Seconds."""
NOT_FOUND = 404

LOOPBACK = {"127.0.0.1", "::1", "localhost"}

Document = dict[str, Any]


def path_of(kind: str, name: str) -> str:
    """Return the path of one of a kind, such as `tenants`, whatever was typed as its name."""
    if not name.strip():
        raise USAGE(mistake="the name is empty", remedy=f"see `penguin get {kind}`")
    return f"/{kind}/{quote(name.strip(), safe='')}"


def tenant_path(name: str) -> str:
    """Return the path of a tenant."""
    return path_of("tenants", name)


@dataclass(frozen=True)
class Api:
    """Speaks to `/api/v1` with one key."""

    url: str
    key: str

    def get(self, path: str, **query: Any) -> Any:
        """GET a document."""
        return _document(self._ask("GET", path, params=query))

    def find(self, path: str) -> Any:
        """GET a document; None where there is none."""
        answer = self._ask("GET", path, none_for=NOT_FOUND)
        return None if answer.status_code == NOT_FOUND else _document(answer)

    def send(self, method: str, path: str, body: Document | None = None, **headers: str) -> Any:
        """POST, PUT or DELETE; return the answer with its headers."""
        return self._ask(method, path, json=body, headers=headers)

    def render(self, document: Document) -> Document:
        """Return the blueprint that the API derives from a tenant document, keeping nothing."""
        rendered: Document = _document(self.send("POST", "/blueprints", document))
        return rendered

    def enqueue(self, message: Document, tenant: str | None = None) -> str:
        """Queue a message and return its id; asked again by itself it is queued once."""
        answer = self._ask(
            "POST",
            "/messages",
            json=message,
            params={"tenant": tenant} if tenant else {},
            headers={"Idempotency-Key": str(uuid4())},
        )
        return str(_document(answer)["id"])

    def explain(self, message: str) -> Document:
        """Return `{"message": …, "stops": […], "decisions": […]}` by id or Message-ID."""
        explained: Document = self.get(path_of("messages", message))
        return explained

    def pages(self, path: str, **query: Any) -> Iterator[Document]:
        """Yield the items of all pages of a list."""
        cursor: dict[str, Any] = {}
        while True:
            page = self.get(path, **query, **cursor)
            yield from page["items"]
            if not page["next"]:
                return
            cursor = {"cursor": page["next"]}

    def lines(self, path: str, **query: Any) -> Iterator[str]:
        """Yield the lines of a text as they come."""
        # An operation may be silent for long; only connecting has to be quick.
        timeout = httpx2.Timeout(TIMEOUT, read=None)
        try:
            with httpx2.stream(
                "GET",
                self._address(path),
                params=query,
                headers=self._headers(),
                timeout=timeout,
                trust_env=self._is_abroad(),
            ) as answer:
                if answer.is_error:
                    answer.read()
                    raise problem_of(answer)
                yield from answer.iter_lines()
        except httpx2.HTTPError as error:
            raise _unreachable(self.url, error) from None

    def _ask(self, method: str, path: str, *, none_for: int = 0, **more: Any) -> httpx2.Response:
        more["headers"] = {**self._headers(), **(more.get("headers") or {})}
        try:
            answer = httpx2.request(
                method, self._address(path), timeout=TIMEOUT, trust_env=self._is_abroad(), **more
            )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise _unreachable(self.url, error) from None
        if answer.is_error and answer.status_code != none_for:
            raise problem_of(answer)
        return answer

    def _address(self, path: str) -> str:
        return f"{self.url}/api/v1{path}"

    def _is_abroad(self) -> bool:
        """A proxy of the environment is for other machines, not for this one."""
        return urlsplit(self.url).hostname not in LOOPBACK

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


def connect() -> Api:
    """Return the API of the environment, else the one that runs here, else the context's."""
    place = state_dir()
    context = _read(place / CONTEXT)
    url = os.environ.get("PENGUIN_API_URL") or serving(place / SERVE) or context.get("url") or ""
    key = os.environ.get("PENGUIN_API_KEY") or context.get("api_key") or ""
    if not key:
        raise CONTEXT_MISSING(where=place / CONTEXT)
    if not url:
        raise UNREACHABLE(reason="none runs here, and no address is set", where=place / SERVE)
    if not _is_address(str(url)):
        raise CONTEXT_INVALID(
            part="address",
            reason=f"{url} is not an HTTP URL",
            remedy="give one such as http://127.0.0.1:8400",
            where="PENGUIN_API_URL" if os.environ.get("PENGUIN_API_URL") else place,
        )
    if not (str(key).isascii() and str(key).isprintable()):
        raise CONTEXT_INVALID(
            part="key",
            reason="it holds characters that no key has",
            remedy="copy it again, without quotes and line breaks",
            where="PENGUIN_API_KEY" if os.environ.get("PENGUIN_API_KEY") else place / CONTEXT,
        )
    return Api(str(url).rstrip("/"), str(key))


def _document(answer: httpx2.Response) -> Any:
    """Read an answer that is no refusal; another program answers in something else than JSON."""
    try:
        return answer.json()
    except ValueError:
        raise FOREIGN_ANSWER(status=answer.status_code, where=answer.request.url) from None


def problem_of(answer: httpx2.Response) -> Fault:
    """Read problem details (RFC 9457), with each of several violations."""
    try:
        problem = answer.json()
        code, detail, remedy = problem["code"], problem["detail"], problem["remedy"]
        violations = tuple(_violation(entry) for entry in problem.get("violations") or ())
    except (ValueError, KeyError, TypeError):
        return FOREIGN_ANSWER(status=answer.status_code, where=answer.request.url)
    return relayed(code, detail, remedy, violations).at(answer.request.url.path)


def _violation(entry: Document) -> Violation:
    fault = relayed(entry["code"], entry["detail"], entry["remedy"])
    return Violation(fault.code, fault.message, fault.remedy, path=entry["path"])


def _unreachable(url: str, error: Exception) -> Fault:
    reasons = ((httpx2.TimeoutException, "no answer in time"), (httpx2.InvalidURL, "no such URL"))
    words = next((text for kind, text in reasons if isinstance(error, kind)), "")
    return UNREACHABLE(reason=str(error) or words or "the connection broke", where=url)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def serving(path: Path) -> str | None:
    """Read `serve.json`: return the address of the control plane that runs on this machine."""
    written = _read(path)
    try:
        os.kill(int(written["pid"]), 0)
    except (KeyError, ValueError, TypeError, OverflowError, ProcessLookupError):
        return None  # killed before it could remove the file
    except PermissionError:
        pass
    url = written.get("url")
    return url if isinstance(url, str) else None


def _read(path: Path) -> Document:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
