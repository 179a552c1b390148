"""Lists zones and their records at Cloudflare, before anything is declared."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

import idna

from blueprint.mail_address import meant_domain
from blueprint.zones import possible_zones
from kit.faults import Fault
from kit.web import without_redirects
from stacks.faults import (
    CLOUDFLARE_ERROR,
    CLOUDFLARE_RATE_LIMITED,
    CLOUDFLARE_UNAUTHORIZED,
    CLOUDFLARE_UNREACHABLE,
    ZONE_AMBIGUOUS,
    ZONE_NOT_FOUND,
)
from stacks.requests import reason

API = "https://api.cloudflare.com/client/v4"
PAGE = 5000
TIMEOUT = 30
"""Seconds for one request."""
RETRY_SECONDS = 0.5

Live = Mapping[str, Any]
"""A zone or a record as Cloudflare lists it."""


ACTIVE = "active"
"""Status of a zone whose delegation Cloudflare has seen."""


@dataclass(frozen=True)
class Zone:
    """A zone of the account; its name is in A-labels."""

    id: str
    name: str


def find_zone(name: str, *, exact: bool = False) -> Zone:
    """Return the longest zone of the account that a name is in, or with `exact` that zone only.

    A zone that is not delegated to Cloudflare counts only where no other zone has the name: records
    that were moved there would not be served. Raises ZONE_NOT_FOUND, ZONE_AMBIGUOUS, or another
    fault of Cloudflare.
    """
    names = (name,) if exact else tuple(possible_zones(name))
    waiting: list[Live] = []
    for candidate in names:
        listed = _named(candidate)
        for zone in listed:
            if zone.get("status") == ACTIVE:
                return Zone(str(zone["id"]), candidate)
        waiting = waiting or listed
    if not waiting:
        raise ZONE_NOT_FOUND(zone=" or ".join(names))
    found = _a_labels(str(waiting[0]["name"]))
    if len(waiting) > 1:
        raise ZONE_AMBIGUOUS(zone=found, count=len(waiting))
    return Zone(str(waiting[0]["id"]), found)


def _named(name: str) -> list[Live]:
    """List the zones of a name, in all accounts that the token reaches."""
    for form in _forms(name):
        listed = _get("/zones", name=form, match="all")
        if same := [zone for zone in listed if _a_labels(str(zone.get("name"))) == name]:
            return same
    return []


def _forms(name: str) -> Iterator[str]:
    """Yield the forms that a zone can be listed by: Cloudflare writes its name in Unicode."""
    yield name
    try:
        if (written := idna.decode(name)) != name:
            yield written
    except idna.IDNAError:
        return


def _a_labels(name: str) -> str:
    """Return a zone's name in lower case and A-labels; one with an underscore has none."""
    return meant_domain(name) or name.lower()


def list_records(zone_id: str) -> list[Live]:
    """List the records of a zone."""
    listed: list[Live] = []
    page = 1
    while True:
        batch = _get(f"/zones/{zone_id}/dns_records", per_page=PAGE, page=page)
        listed += batch
        if len(batch) < PAGE:
            return listed
        page += 1


def create_record(zone_id: str, record: Mapping[str, Any]) -> Live:
    """Write a record, and return it as the zone lists it afterwards.

    The listing decides: an answer may be lost after the record was written. Raises the refusal.
    """
    path = f"/zones/{zone_id}/dns_records"
    refusal = CLOUDFLARE_ERROR(answer="no record that it has accepted", path=path)
    try:
        _send(path, record)
    except Fault as fault:
        refusal = fault
    for live in list_records(zone_id):
        if (live.get("comment"), live["type"]) == (record["comment"], record["type"]):
            return live
    raise refusal


def _get(path: str, **query: object) -> list[Live]:
    """Read a list; a retryable failure is retried once before it holds a zone."""
    try:
        return _get_once(path, **query)
    except Fault as fault:
        if not fault.retryable:
            raise
    time.sleep(RETRY_SECONDS)
    return _get_once(path, **query)


def _get_once(path: str, **query: object) -> list[Live]:
    target = f"{path}?{urllib.parse.urlencode(query)}"
    result = _send(target)
    if not isinstance(result, list):
        raise CLOUDFLARE_ERROR(answer="no list", path=target)
    return result


def _send(target: str, body: Mapping[str, Any] | None = None) -> Any:
    """Return the result of a GET, or of a POST, with the provider's own credentials.

    None for a refusal with status 200.
    """
    base = (os.environ.get("CLOUDFLARE_BASE_URL") or API).rstrip("/")
    token = os.environ.get("CLOUDFLARE_API_TOKEN", "").strip()
    try:
        request = urllib.request.Request(  # noqa: S310 - the operator's URL
            f"{base}{target}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with without_redirects().open(request, timeout=TIMEOUT) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        error.close()
        raise _refused(error.code, target) from None
    except (OSError, HTTPException, ValueError) as error:
        raise CLOUDFLARE_UNREACHABLE(url=base, reason=reason(error)) from None
    done = isinstance(answer, dict) and answer.get("success") is True
    return answer.get("result") if done else None


def _refused(status: int, target: str) -> Fault:
    if status in (400, 401, 403):  # 400: the header is missing or malformed
        return CLOUDFLARE_UNAUTHORIZED(status=status, path=target)
    if status == 429:
        return CLOUDFLARE_RATE_LIMITED()
    return CLOUDFLARE_ERROR(answer=f"HTTP {status}", path=target)
