"""The part of the tenant API that `penguin send` and `penguin explain` need."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2

from cli.errors import CliError, CliErrorGroup
from tools.places import state_dir

CONTEXT = "context.json"
"""Where `penguin init` says address and key of the API, in the state directory."""
SERVE = "serve.json"
"""Where a `penguin serve` of this machine says its address, beside it."""
TIMEOUT = 30


@dataclass(frozen=True)
class Messages:
    """Speaks to `/api/v1/messages`; every refusal is shown with its code and remedy."""

    url: str
    key: str

    def send(self, content: dict[str, Any], *, idempotency_key: str) -> str:
        """Queue a message and return its id."""
        headers = {"Idempotency-Key": idempotency_key}
        answer = self._ask("POST", "/api/v1/messages", json=content, headers=headers)
        return str(answer["id"])

    def explain(self, message: str) -> dict[str, Any]:
        """Return `{"message": …, "decisions": […]}` by id or Message-ID."""
        return self._ask("GET", f"/api/v1/messages/{quote(message.strip(), safe='')}")

    def _ask(
        self,
        method: str,
        path: str,
        *,
        json: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        bearer = {"Authorization": f"Bearer {self.key}"}
        try:
            answer = httpx2.request(
                method,
                self.url + path,
                json=json,
                headers=bearer | (headers or {}),
                timeout=TIMEOUT,
            )
        except httpx2.HTTPError as error:
            raise CliError(
                "api.unreachable",
                f"the control plane does not answer: {error}",
                where=self.url,
                remedy="start it with `penguin serve`, or point the context at the one that runs",
            ) from None
        if answer.is_error:
            raise _problem(answer)
        document: dict[str, Any] = answer.json()
        return document


def connect() -> Messages:
    """Return the API of the environment, else of the context, else the one that runs here."""
    path = state_dir() / CONTEXT
    context = _read(path)
    url = (
        os.environ.get("PENGUIN_API_URL")
        or context.get("url")
        or _read(state_dir() / SERVE).get("url")
    )
    key = os.environ.get("PENGUIN_API_KEY") or context.get("api_key")
    if not url or not key:
        raise CliError(
            "context.missing",
            "no control plane is known here",
            where=str(path),
            remedy="run `penguin init` and `penguin serve`, or set PENGUIN_API_URL and _KEY",
        )
    return Messages(url.rstrip("/"), key)


def _read(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return document


def _problem(answer: httpx2.Response) -> CliError | CliErrorGroup:
    """Read problem details (RFC 9457): one error, or each of several."""
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    several = [
        CliError(
            entry["code"],
            entry["detail"],
            where=entry.get("path"),
            remedy=entry.get("remedy", ""),
        )
        for entry in problem.get("errors") or ()
    ]
    if several:
        return CliErrorGroup(several)
    return CliError(
        problem.get("code", f"api.status_{answer.status_code}"),
        problem.get("detail", f"the control plane answered {answer.status_code}"),
        remedy=problem.get("remedy", "see its log: `penguin logs`"),
    )
