"""Plays Pulumi's own Cloudflare plugin, which can be had as a release download only.

It treats answers as that plugin does (version 6.17.0, `provider/resources.go`; its client is
cloudflare-go 6): it reads `result` of the envelope only, repeats after 408, 409, 429, 5xx and lost
connections up to ten times, forgets a record at any 404 of a reading, and fails at a 404 of a
deletion.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from kit.packages import absent
from tools.pulumi.cloudflare_api import ApiError, CloudflareApi
from tools.pulumi.cloudflare_plugin import CloudflareProvider, serve

with absent("httpx._main"):  # its command line, as in `cloudflare_api`
    import cloudflare

RETRIES = 10


class UncriticalApi(CloudflareApi):
    """Reads no status and no refusal in a body of status 200."""

    def record(self, zone: str, record: str) -> dict[str, Any] | None:
        """GET a record, None at any 404."""
        return self._read(f"/zones/{zone}/dns_records/{record}")

    def zone(self, zone: str) -> dict[str, Any] | None:
        """GET a zone, None at any 404."""
        return self._read(f"/zones/{zone}")

    def _read(self, path: str) -> dict[str, Any] | None:
        try:
            return self._call("get", path)
        except NotFound:
            return None

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._request(method, path, body) or {"id": ""}

    def _request(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        query: dict[str, Any] | None = None,
    ) -> Any:
        options: dict[str, Any] = {"params": query} if query else {}
        sent = {} if method == "get" else {"body": body}
        try:
            document: Any = getattr(self._client, method)(
                path, cast_to=object, options=options, **sent
            )
        except cloudflare.APIStatusError as error:
            status = HTTPStatus(error.status_code)
            text = (
                f'{method.upper()} "{error.request.url}": {status.value} {status.phrase} '
                f"{json.dumps(error.body)}"
            )
            raise (NotFound if status == HTTPStatus.NOT_FOUND else ApiError)(text) from None
        except cloudflare.APIConnectionError as error:
            raise ApiError(f"{method.upper()} {path}: {error.__cause__}") from None
        return document.get("result")


class NotFound(ApiError):
    """The status is 404."""


if __name__ == "__main__":
    serve(CloudflareProvider(retries=RETRIES, api=UncriticalApi))
