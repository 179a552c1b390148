"""The emulated provider as a customer uses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from lab.running import RunningLab
from tests.support.waiting import wait_for


@dataclass(frozen=True)
class Server:
    """A server as its customer knows it."""

    service_id: int
    name: str
    address: str
    password: str = field(repr=False)


class Customer:
    """Orders servers by the provider's API, and their further addresses in its portal."""

    def __init__(self, lab: RunningLab) -> None:
        self._http = httpx2.Client(base_url=lab.hostwinds_url, timeout=60)
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
        image = next(one for one in self.call("get_public_images") if "Debian" in one["name"])
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
            listed = [one for one in self.call("get_instances") if one["srvrname"] == name]
            return next((one for one in listed if one["status"].lower() == "active"), None)

        found = wait_for(active, seconds=60)
        self._ordered.append(found["serviceid"])
        return Server(found["serviceid"], name, found["main_ip"], found["password"])

    def attach(self, service_id: int) -> str:
        """Buy a further address."""
        answer = self._http.post("/_lab/portal/attach", json={"serviceid": service_id})
        return str(answer.raise_for_status().json()["address"])

    def close(self) -> None:
        """End what was ordered."""
        for service_id in self._ordered:
            self.call("terminate", serviceid=service_id)
        self._http.close()


@contextmanager
def customer_of(lab: RunningLab) -> Iterator[Customer]:
    customer = Customer(lab)
    yield customer
    customer.close()
