"""The Cloudflare calls that Pulumi's plugin makes, through Cloudflare's official SDK."""

from __future__ import annotations

import os
from typing import Any

import cloudflare

BASE = "https://api.cloudflare.com/client/v4"


class ApiError(Exception):
    """Cloudflare refused or could not be reached; the message carries its code and words."""


class CloudflareApi:
    """Zones and DNS records as plain dictionaries in the API's own spelling."""

    def __init__(self, base_url: str, token: str) -> None:
        self._base_url = base_url
        self._client = cloudflare.Cloudflare(
            api_token=token, base_url=base_url.rstrip("/"), max_retries=4, timeout=30
        )

    @classmethod
    def from_environment(cls) -> CloudflareApi:
        """Take `CLOUDFLARE_BASE_URL` and `CLOUDFLARE_API_TOKEN`, as Pulumi's plugin does."""
        return cls(
            os.environ.get("CLOUDFLARE_BASE_URL", BASE), os.environ.get("CLOUDFLARE_API_TOKEN", "-")
        )

    def create_record(self, zone: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST a record."""
        return self._call("post", f"/zones/{zone}/dns_records", body)

    def record(self, zone: str, record: str) -> dict[str, Any] | None:
        """GET a record, None when it is gone."""
        return self._call_or_none(f"/zones/{zone}/dns_records/{record}")

    def replace_record(self, zone: str, record: str, body: dict[str, Any]) -> dict[str, Any]:
        """PUT a record whole."""
        return self._call("put", f"/zones/{zone}/dns_records/{record}", body)

    def delete_record(self, zone: str, record: str) -> None:
        """DELETE a record."""
        self._call("delete", f"/zones/{zone}/dns_records/{record}")

    def create_zone(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """POST a zone."""
        body = {"name": inputs["name"], "account": inputs.get("account"), "type": "full"}
        return self._call("post", "/zones", body)

    def zone(self, zone: str) -> dict[str, Any] | None:
        """GET a zone, None when it is gone."""
        return self._call_or_none(f"/zones/{zone}")

    def delete_zone(self, zone: str) -> None:
        """DELETE a zone with its records."""
        self._call("delete", f"/zones/{zone}")

    def find_zone(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the one zone with this id or filter."""
        if arguments.get("zoneId"):
            zone = self.zone(arguments["zoneId"])
            if zone is None:
                raise ApiError(f"zone {arguments['zoneId']} does not exist")
            return _camel(zone)
        found = self.zones(arguments.get("filter") or {})
        if len(found) != 1:
            raise ApiError(f"failed to find exactly one result, found {len(found)} zones")
        return found[0]

    def zones(self, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        """Return all zones that match, page by page until one is empty."""
        query = {key: arguments[key] for key in ("name", "status") if arguments.get(key)}
        found: list[dict[str, Any]] = []
        page = 1
        while batch := self._request(
            "get", "/zones", None, {**query, "match": "all", "page": page}
        ):
            found += [_camel(zone) for zone in batch]
            page += 1
        return found

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        result = self._request(method, path, body)
        return result if isinstance(result, dict) else {}

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
        options: dict[str, Any] = {"params": query} if query else {}
        arguments: dict[str, Any] = {"cast_to": object, "options": options}
        if method != "get":
            arguments["body"] = body
        try:
            answer: Any = getattr(self._client, method)(path, **arguments)
        except cloudflare.NotFoundError as error:
            raise _NotFoundError(_words(error)) from None
        except cloudflare.APIStatusError as error:
            raise ApiError(_words(error)) from None
        except cloudflare.APIConnectionError:
            raise ApiError(f"cannot reach {self._base_url}") from None
        return answer.get("result") if isinstance(answer, dict) else None


class _NotFoundError(ApiError):
    """The record or zone does not exist."""


def _words(error: cloudflare.APIStatusError) -> str:
    """Return `81053 An A record … (HTTP 400)` for each error of the envelope."""
    body = error.body if isinstance(error.body, dict) else {}
    errors = body.get("errors") or []
    said = "; ".join(f"{e.get('code')} {e.get('message')}" for e in errors if isinstance(e, dict))
    return f"{said or 'no explanation'} (HTTP {error.status_code})"


def _camel(zone: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a zone that programs read, spelled as Pulumi does."""
    return {
        "id": zone["id"],
        "zoneId": zone["id"],
        "name": zone["name"],
        "status": zone.get("status"),
        "paused": zone.get("paused"),
        "type": zone.get("type"),
        "nameServers": zone.get("name_servers") or [],
    }
