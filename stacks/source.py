"""Reads the blueprint for `pulumi up` by hand."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

import pulumi
from pydantic import ValidationError

from blueprint.document import Blueprint
from blueprint.platform import OFFLINE
from kit.web import without_redirects
from stacks.faults import (
    BAD_BLUEPRINT,
    CONFIGURED_PROVIDER,
    CONTROL_PLANE_REFUSED,
    CONTROL_PLANE_UNREACHABLE,
    NO_INSTALLATION,
    NO_SOURCE,
    WRONG_TENANT,
)
from stacks.requests import reason

PROJECT = Path(__file__).resolve().parent.parent
"""Relative paths begin where Pulumi.yaml is; the program itself runs one level below."""
TIMEOUT = 30
"""Seconds."""


def blueprint_of(config: pulumi.Config, stack: str) -> Blueprint:
    """Return the blueprint of a stack's tenant, from `penguin:blueprint` or the control plane."""
    path = config.get("blueprint")
    url = config.get("control-plane") or os.environ.get("PENGUIN_API_URL")
    if path:
        source, text = path, _from_file(PROJECT / path)
    elif url:
        source, text = url, _from_control_plane(url.rstrip("/"), stack)
    else:
        raise NO_SOURCE()
    try:
        blueprint = Blueprint.model_validate_json(text)
    except ValidationError as error:
        raise BAD_BLUEPRINT(source=source, reason=f"{error.error_count()} violations") from None
    if blueprint.tenant != stack:
        raise WRONG_TENANT(stack=stack, tenant=blueprint.tenant)
    if blueprint.installation == OFFLINE:
        raise NO_INSTALLATION(source=source)
    return blueprint


def refuse_configured_provider(config: pulumi.Config) -> None:
    """Refuse settings of the Cloudflare provider in the stack, `config` being its section.

    They lead round the gateway, or let the engine use another token than this program.
    """
    for key in ("baseUrl", "apiToken", "apiKey", "email", "apiUserServiceKey"):
        if config.get_secret(key) is not None:
            raise CONFIGURED_PROVIDER(key=f"cloudflare:{key}")


def _from_file(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise BAD_BLUEPRINT(source=path, reason=error.strerror) from None
    except UnicodeError:
        raise BAD_BLUEPRINT(source=path, reason="it is not text") from None


def _from_control_plane(url: str, tenant: str) -> str:
    key = os.environ.get("PENGUIN_API_KEY", "").strip()
    try:
        request = urllib.request.Request(  # noqa: S310 - the operator's URL
            f"{url}/api/v1/tenants/{tenant}/blueprint", headers={"Authorization": f"Bearer {key}"}
        )
        with without_redirects().open(request, timeout=TIMEOUT) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            problem = _problem(error)
        raise CONTROL_PLANE_REFUSED(
            detail=f"{problem.get('detail', f'HTTP {error.code}')}"
            + (f" ({problem['code']})" if "code" in problem else ""),
            remedy=problem.get("remedy", "check PENGUIN_API_KEY and the tenant's name"),
        ) from None
    except (OSError, HTTPException, ValueError) as error:
        raise CONTROL_PLANE_UNREACHABLE(url=url, reason=reason(error)) from None


def _problem(error: urllib.error.HTTPError) -> dict[str, str]:
    """Return the RFC 9457 document of a refusal, empty where there is none."""
    try:
        problem = json.loads(error.read())
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}
