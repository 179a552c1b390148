"""Where the program run by hand gets its blueprint from."""

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
from stacks.errors import StackError, reason

PROJECT = Path(__file__).resolve().parent.parent
"""Relative paths begin where Pulumi.yaml is; the program itself runs one level below."""
TIMEOUT = 30
"""Seconds."""


def blueprint_of(config: pulumi.Config, stack: str) -> Blueprint:
    """Return the blueprint of a stack's tenant, from `penguin:blueprint` or the control plane.

    Raises StackError: `stack.no_source`, `stack.wrong_tenant`, `stack.bad_blueprint`, or what the
    control plane answered.
    """
    path = config.get("blueprint")
    url = config.get("control-plane") or os.environ.get("PENGUIN_CONTROL_PLANE")
    if path:
        text = _from_file(PROJECT / path)
    elif url:
        text = _from_control_plane(url.rstrip("/"), stack)
    else:
        raise StackError(
            "stack.no_source",
            "neither penguin:control-plane nor penguin:blueprint is set for this stack",
            remedy='run `eval "$(penguin lab env)"`, or `penguin render` and '
            "`pulumi config set penguin:blueprint PATH`",
        )
    try:
        blueprint = Blueprint.model_validate_json(text)
    except ValidationError as error:
        raise StackError(
            "stack.bad_blueprint",
            f"the blueprint cannot be read: {error.error_count()} mistakes",
            remedy="render it with the same version of penguin as this program",
        ) from None
    if blueprint.tenant != stack:
        raise StackError(
            "stack.wrong_tenant",
            f"stack {stack} was given the blueprint of tenant {blueprint.tenant}",
            remedy=f"use `-s {blueprint.tenant}`",
        )
    return blueprint


def _from_file(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is no text"
        raise StackError(
            "stack.bad_blueprint", f"{path}: {why}", remedy="run `penguin render`"
        ) from None


def _from_control_plane(url: str, tenant: str) -> str:
    key = os.environ.get("PENGUIN_API_KEY", "").strip()
    try:
        request = urllib.request.Request(  # noqa: S310 - the operator's own address
            f"{url}/api/v1/tenants/{tenant}/blueprint", headers={"Authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        problem = _problem(error)
        raise StackError(
            problem.get("code", "stack.control_plane"),
            problem.get("detail", f"the control plane answered HTTP {error.code}"),
            remedy=problem.get("remedy", "check PENGUIN_API_KEY and the tenant's name"),
        ) from None
    except (OSError, HTTPException, ValueError) as error:
        raise StackError(
            "stack.unreachable",
            f"the control plane at {url} does not answer: {reason(error)}",
            remedy="start it with `penguin serve`, or use penguin:blueprint",
        ) from None


def _problem(error: urllib.error.HTTPError) -> dict[str, str]:
    """Return the RFC 9457 document of a refusal, empty where there is none."""
    try:
        found = json.loads(error.read())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
