"""The emulated provider as a customer uses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from lab.running import RunningLab
from tests.support.waiting import SECONDS, wait_for


@dataclass(frozen=True)
class Server:
    """A server as its customer sees it."""

    service_id: int
    name: str
    address: str
    password: str = field(repr=False)


class Customer:
    """Orders servers through the provider's API, and additional addresses in its portal."""

    def __init__(self, lab: RunningLab) -> None:
        self._http = httpx2.Client(base_url=lab.hostwinds_url, timeout=SECONDS)
        self._key = lab.hostwinds_key
        self._ordered: list[int] = []

    def call(self, action: str, **parameters: object) -> Any:
        form = {"API": self._key, "action": action}
        form |= {name: str(value) for name, value in parameters.items()}
        answer = self._http.post("/cloud/api.php", data=form).raise_for_status().json()
        assert '"error"' not in json.dumps(answer), answer
        return answer["success"] if isinstance(answer, dict) and "success" in answer else answer

    def order(self, name: str) -> Server:
        """Buy a server and wait until it runs."""
        image = next(i for i in self.call("get_public_images") if "Debian" in i["name"])
        self.call(
            "add_instance",
            template=image["uuid"],
            rid=51,
            location_id=self.call("get_locations")[0]["id"],
            qty=1,
            srvrname=name,
            billingcycle="monthly",
        )

        def active() -> Any:
            listed = [i for i in self.call("get_instances") if i["srvrname"] == name]
            return next((i for i in listed if i["status"].lower() == "active"), None)

        instance = wait_for(active)
        self._ordered.append(instance["serviceid"])
        return Server(instance["serviceid"], name, instance["main_ip"], instance["password"])

    def attach(self, service_id: int) -> str:
        """Buy an additional address."""
        answer = self._http.post("/_lab/portal/attach", json={"serviceid": service_id})
        return str(answer.raise_for_status().json()["address"])

    def portal(self, control: str, **body: object) -> Any:
        """Use a control of the portal: `change`, `profiles`."""
        answer = self._http.post(f"/_lab/portal/{control}", json=body)
        return answer.raise_for_status().json()

    @contextmanager
    def settings(self, **values: object) -> Iterator[None]:
        """Set switches of the emulator, and restore all of them at the end."""
        self._http.post("/_lab/settings", json=values).raise_for_status()
        try:
            yield
        finally:
            self._http.delete("/_lab/settings").raise_for_status()

    def terminate(self, server: Server) -> None:
        """End a server at once: what runs on it takes processor time from other tests."""
        self.call("terminate", serviceid=server.service_id)
        self._ordered.remove(server.service_id)

    def close(self) -> None:
        """Terminate the ordered servers."""
        for service_id in self._ordered:
            self.call("terminate", serviceid=service_id)
        self._http.close()


@contextmanager
def customer_of(lab: RunningLab) -> Iterator[Customer]:
    customer = Customer(lab)
    yield customer
    customer.close()
