"""The Cloudflare calls that Pulumi's plugin makes, through Cloudflare's official SDK."""

from __future__ import annotations

import os
import re
from typing import Any
from weakref import finalize

from kit.cloudflare import BASE, Answer
from kit.packages import absent
from kit.web import verification
from tools.pulumi.cloudflare_answers import mistake

with absent("httpx._main"):  # its command line: 0.2 s of every process where it is installed
    import cloudflare

# httpx loads the modules of a connection with the first client: operations are forked after this.
cloudflare.DefaultHttpxClient(verify=False).close()

RETRIES = 4
"""Retries of one call after 408, 409, 429, 5xx and lost connections, by the SDK."""
MAX_ZONES = 1000
"""Where a listing stops, as in Pulumi's plugin."""
TOKEN = re.compile(r"[!-~]+")
"""Characters of a header; Cloudflare itself reports any other mistake."""


class ApiError(Exception):
    """Cloudflare refused or could not be reached; the message has its code and text."""


class CloudflareApi:
    """Zones and DNS records as plain dictionaries with the API's field names.

    `base_url` and `token` default to `CLOUDFLARE_BASE_URL` and `CLOUDFLARE_API_TOKEN`, which
    Pulumi's plugin reads too.
    """

    def __init__(
        self, base_url: str | None = None, token: str | None = None, *, retries: int = RETRIES
    ) -> None:
        self._base_url = base_url or os.environ.get("CLOUDFLARE_BASE_URL") or BASE
        self._token = (token or os.environ.get("CLOUDFLARE_API_TOKEN") or "").strip()
        http = cloudflare.DefaultHttpxClient(verify=verification(self._base_url))
        finalize(self, http.close)  # the SDK does so with a client of its own
        self._client = cloudflare.Cloudflare(
            api_token=self._token or "none",
            base_url=self._base_url.rstrip("/"),
            max_retries=retries,
            timeout=30,
            http_client=http,
        )

    def create_record(self, zone: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST a record."""
        return self._call("post", f"/zones/{zone}/dns_records", body)

    def record(self, zone: str, record: str) -> dict[str, Any] | None:
        """GET a record, None when it is gone."""
        return self._call_or_none(f"/zones/{zone}/dns_records/{record}")

    def replace_record(self, zone: str, record: str, body: dict[str, Any]) -> dict[str, Any]:
        """PUT a record."""
        return self._call("put", f"/zones/{zone}/dns_records/{record}", body)

    def delete_record(self, zone: str, record: str) -> None:
        """DELETE a record."""
        self._call("delete", f"/zones/{zone}/dns_records/{record}")

    def create_zone(self, body: dict[str, Any]) -> dict[str, Any]:
        """POST a zone."""
        return self._call("post", "/zones", body)

    def change_zone(self, zone: str, body: dict[str, Any]) -> dict[str, Any]:
        """PATCH a zone."""
        return self._call("patch", f"/zones/{zone}", body)

    def zone(self, zone: str) -> dict[str, Any] | None:
        """GET a zone, None when it is gone."""
        return self._call_or_none(f"/zones/{zone}")

    def delete_zone(self, zone: str) -> None:
        """DELETE a zone with its records."""
        self._call("delete", f"/zones/{zone}")

    def find_zone(self, zone: str | None, filter_: dict[str, Any]) -> dict[str, Any]:
        """Return the one zone with this id, or that the filter matches."""
        if zone is None:
            zones = self.zones(filter_)
            if len(zones) != 1:
                raise ApiError(f"failed to find exactly one result, found {len(zones)} zones")
            zone = str(zones[0]["id"])
        live = self.zone(zone)
        if live is None:
            raise ApiError(f"zone {zone} does not exist")
        return live

    def zones(self, filter_: dict[str, Any]) -> list[dict[str, Any]]:
        """Return all zones that match, page by page until one is empty."""
        query = {key: filter_[key] for key in ("name", "status") if filter_.get(key)}
        for key, value in (filter_.get("account") or {}).items():
            query[f"account.{key}"] = value
        query["match"] = filter_.get("match") or "all"
        zones: list[dict[str, Any]] = []
        page = 1
        while batch := self._request("get", "/zones", None, {**query, "page": page}):
            zones += batch
            page += 1
            if len(zones) >= MAX_ZONES:
                break
        return zones

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = self._request(method, path, body)
        return result

    def _call_or_none(self, path: str) -> dict[str, Any] | None:
        try:
            return self._call("get", path)
        except _NotFoundError:
            return None

    def _request(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        query: dict[str, Any] | None = None,
    ) -> Any:
        if not self._token:
            raise ApiError("no API token: set CLOUDFLARE_API_TOKEN")
        if not TOKEN.fullmatch(self._token):  # the HTTP library's own message would show it
            raise ApiError("the API token contains invalid characters: set CLOUDFLARE_API_TOKEN")
        options: dict[str, Any] = {"params": query} if query else {}
        arguments: dict[str, Any] = {"cast_to": object, "options": options}
        if method != "get":
            arguments["body"] = body
        try:
            document: Any = getattr(self._client, method)(path, **arguments)
        except cloudflare.APIStatusError as error:
            answer = Answer(error.status_code, error.body if isinstance(error.body, dict) else {})
            raise (_NotFoundError if answer.is_gone else ApiError)(_message(answer)) from None
        except cloudflare.APIConnectionError as error:
            cause = f": {error.__cause__}" if error.__cause__ else ""
            raise ApiError(f"cannot reach {self._base_url}{cause}") from None
        answer = Answer(200, document if isinstance(document, dict) else {})
        if (reason := mistake(answer, method.upper(), path)) is not None:
            raise ApiError(reason)
        return answer.result


class _NotFoundError(ApiError):
    """The record or zone does not exist."""


def _message(answer: Answer) -> str:
    """Return all errors of a refusal: `81053 An A record … (HTTP 400)`."""
    hint = ""
    if answer.concerns_token:
        hint = "; check CLOUDFLARE_API_TOKEN and its permissions (DNS write, zone read)"
    return f"{answer.text() or 'no explanation'} (HTTP {answer.status}){hint}"
