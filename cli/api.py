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

from cli.errors import CliError, CliErrorGroup, UsageError
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


class Unreachable(CliError):
    """Nobody answers, or not in time."""

    def __init__(self, url: str, error: Exception) -> None:
        super().__init__(
            "api.unreachable",
            f"the control plane does not answer: {str(error) or type(error).__name__}",
            where=url,
            remedy="start it with `penguin serve` (in the lab: `make up`), or correct the url",
        )


def path_of(kind: str, name: str) -> str:
    """Return the path of one of a kind, such as `tenants`, whatever was typed as its name."""
    if not name.strip():
        raise UsageError(f"the name among {kind} is empty", remedy=f"see `penguin get {kind}`")
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
        """Return `{"message": …, "decisions": […]}` by id or Message-ID."""
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
            raise Unreachable(self.url, error) from None

    def _ask(self, method: str, path: str, *, none_for: int = 0, **more: Any) -> httpx2.Response:
        more["headers"] = {**self._headers(), **(more.get("headers") or {})}
        try:
            answer = httpx2.request(
                method, self._address(path), timeout=TIMEOUT, trust_env=self._is_abroad(), **more
            )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unreachable(self.url, error) from None
        if answer.is_error and answer.status_code != none_for:
            raise problem_of(answer)
        return answer

    def _address(self, path: str) -> str:
        return f"{self.url}/api/v1{path}"

    def _is_abroad(self) -> bool:
        """A proxy of the environment is for the world, not for this machine."""
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
        raise CliError(
            "context.missing",
            "no key for the control plane is known here",
            where=str(place / CONTEXT),
            remedy="run `penguin init`, or set PENGUIN_API_URL and PENGUIN_API_KEY",
        )
    if not url:
        raise CliError(
            "api.unreachable",
            "no control plane runs here",
            remedy="start it with `penguin serve` (in the lab: `make up`)",
        )
    if not _is_address(str(url)):
        raise CliError(
            "context.invalid",
            f"{url} is no address of a control plane",
            where="PENGUIN_API_URL" if os.environ.get("PENGUIN_API_URL") else str(place),
            remedy="give one such as http://127.0.0.1:8400",
        )
    if not (str(key).isascii() and str(key).isprintable()):
        raise CliError(
            "context.invalid",
            "the key for the control plane holds characters that no key has",
            where="PENGUIN_API_KEY" if os.environ.get("PENGUIN_API_KEY") else str(place / CONTEXT),
            remedy="copy it again, without quotes and line breaks",
        )
    return Api(str(url).rstrip("/"), str(key))


def _document(answer: httpx2.Response) -> Any:
    """Read an answer that is no refusal; whoever does not answer in JSON is somebody else."""
    try:
        return answer.json()
    except ValueError:
        raise CliError(
            "api.not_ours",
            f"what answers there is no control plane (status {answer.status_code})",
            where=str(answer.request.url),
            remedy="correct the url (PENGUIN_API_URL, or the context); it has no path",
        ) from None


def problem_of(answer: httpx2.Response) -> CliError | CliErrorGroup:
    """Read problem details (RFC 9457): one error, or each of several."""
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    several = [
        CliError(
            str(entry.get("code", "api.refused")),
            str(entry.get("detail", "refused")),
            where=entry.get("path") or answer.request.url.path,
            remedy=entry.get("remedy", ""),
        )
        for entry in problem.get("violations") or ()
        if isinstance(entry, dict)
    ]
    if several:
        return CliErrorGroup(several)
    return CliError(
        problem.get("code", f"api.status_{answer.status_code}"),
        problem.get("detail", f"the control plane answered {answer.status_code}"),
        where=answer.request.url.path,
        remedy=problem.get("remedy", "see its log, `log/control-plane.jsonl`"),
    )


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def serving(path: Path) -> str | None:
    """Read `serve.json`: return the address of the control plane that runs on this machine."""
    said = _read(path)
    try:
        os.kill(int(said["pid"]), 0)
    except (KeyError, ValueError, TypeError, OverflowError, ProcessLookupError):
        return None  # killed before it could take its word back
    except PermissionError:
        pass
    url = said.get("url")
    return url if isinstance(url, str) else None


def _read(path: Path) -> Document:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
