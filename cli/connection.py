"""Address and key of the API, determined without a request."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from cli.faults import CONTEXT_INVALID, CONTEXT_MISSING, UNREACHABLE
from kit.paths import state_dir
from kit.processes import is_running

CONTEXT = "context.json"
"""Where `penguin init` writes address and key of the API, in the state directory."""
SERVE = "serve.json"
"""Where a `penguin serve` of this machine writes its address."""

M = TypeVar("M", bound=BaseModel)


class Context(BaseModel):
    """What `penguin init` writes."""

    url: str | None = None
    api_key: str | None = None


class Serving(BaseModel):
    """What `penguin serve` writes."""

    process: str
    """Its identity."""
    url: str

    @property
    def pid(self) -> int:
        """The supervisor's process."""
        return int(self.process.partition(".")[0])


class Connection(NamedTuple):
    """Address and key of an API."""

    url: str
    key: str


def connection() -> Connection:
    """Return the API that the environment names, else that of this machine, else the context's."""
    directory = state_dir()
    context = _read(directory / CONTEXT, Context) or Context()
    local = serving()
    url = os.environ.get("PENGUIN_API_URL") or (local.url if local else context.url)
    key = os.environ.get("PENGUIN_API_KEY") or context.api_key
    if not key:
        raise CONTEXT_MISSING(where=directory / CONTEXT)
    if not url:
        raise UNREACHABLE(
            reason="none runs on this machine, and no address is configured",
            where=directory / SERVE,
        )
    if not _is_address(url):
        raise CONTEXT_INVALID(
            part="address",
            reason=f"{url} is not an HTTP URL",
            remedy="set one such as http://127.0.0.1:8400",
            where="PENGUIN_API_URL" if os.environ.get("PENGUIN_API_URL") else directory,
        )
    if not (key.isascii() and key.isprintable()):
        raise CONTEXT_INVALID(
            part="key",
            reason="it contains characters that a key cannot have",
            remedy="copy it again, without quotes and line breaks",
            where="PENGUIN_API_KEY" if os.environ.get("PENGUIN_API_KEY") else directory / CONTEXT,
        )
    return Connection(url.rstrip("/"), key)


def serving() -> Serving | None:
    """Return the content of `serve.json`, None when no control plane runs on this machine."""
    written = _read(state_dir() / SERVE, Serving)
    # A control plane that was killed has not removed the file.
    return written if written is not None and is_running(written.process) else None


def _read(path: Path, model: type[M]) -> M | None:
    """Read a file of the state directory; None where it is missing or damaged."""
    try:
        return model.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
