"""A zone of the lab's Cloudflare account, whose records its name servers answer at once."""

from __future__ import annotations

import secrets

import httpx2

from lab.running import RunningLab
from tests.support.waiting import SECONDS


class Zone:
    """A zone of the Cloudflare account, delegated."""

    def __init__(self, lab: RunningLab) -> None:
        self.name = f"z{secrets.token_hex(3)}.example"
        token = {"Authorization": f"Bearer {lab.cloudflare_token}"}
        self._http = httpx2.Client(base_url=lab.cloudflare_url, headers=token, timeout=SECONDS)
        self._http.post("/_lab/zones", json={"name": self.name}).raise_for_status()
        zones = self._http.get("/client/v4/zones", params={"name": self.name}).json()
        self._records = f"/client/v4/zones/{zones['result'][0]['id']}/dns_records"

    def add(self, name: str, kind: str, content: str, **more: object) -> str:
        body = {"name": name, "type": kind, "content": content, "ttl": 60, **more}
        return str(
            self._http.post(self._records, json=body).raise_for_status().json()["result"]["id"]
        )

    def close(self) -> None:
        self._http.close()

    def change(self, record: str, content: str) -> None:
        self._http.patch(f"{self._records}/{record}", json={"content": content}).raise_for_status()
