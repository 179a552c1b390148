"""Typed client for the Hostwinds Cloud API: form posts over IPv4, every attempt rate-limited."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import httpx2
from pydantic import SecretStr

from hostwinds.answers import payload
from hostwinds.errors import AnswerLost, FirewallWithoutSsh, HostwindsError, Refused, Unreachable
from hostwinds.limiter import Limiter, limiter_from_environment
from hostwinds.models import FirewallProfile, Instance, PriceLine

URL = "https://clients.hostwinds.com/cloud/api.php"
TIMEOUT = httpx2.Timeout(60, connect=10)
"""Seconds."""
ATTEMPTS = 3
FIRST_PAUSE = 1.0
SSH = 22


class Client:
    """The calls that the platform makes. Reads are retried; changes never on their own.

    The key is in the body of each request and nowhere else: not in an address, a log or an error.
    """

    def __init__(
        self,
        url: str,
        key: SecretStr,
        limiter: Limiter,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url
        self._key = key
        self._limiter = limiter
        self._pause = pause
        # A local address of family IPv4 keeps requests off IPv6, which the provider rejects.
        self._http = httpx2.Client(
            timeout=TIMEOUT,
            transport=httpx2.HTTPTransport(local_address="0.0.0.0"),  # noqa: S104
        )

    @classmethod
    def from_environment(cls) -> Client:
        """Take `HOSTWINDS_API_URL`, `HOSTWINDS_API_KEY`, and the limiter beside the journal."""
        key = os.environ.get("HOSTWINDS_API_KEY", "")
        if not key:
            raise HostwindsError("HOSTWINDS_API_KEY is not set", remedy="set it to the API key")
        return cls(
            os.environ.get("HOSTWINDS_API_URL", URL), SecretStr(key), limiter_from_environment()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def instances(self) -> list[Instance]:
        """List all instances of the account."""
        return [Instance.model_validate(item) for item in self._read("get_instances") or []]

    def instance(self, service_id: int) -> Instance | None:
        """Return one instance, None when the account does not have it."""
        found = self._instance(service_id)
        return Instance.model_validate(found) if found else None

    def root_password(self, service_id: int) -> SecretStr:
        """Return the root password that the provider made: for first contact, never kept."""
        found = self._instance(service_id)
        if found is None:
            raise Refused(f"server {service_id} does not exist")
        return SecretStr(str(found.get("password", "")))

    def addresses(self, service_id: int) -> list[str]:
        """List the IPv4 addresses of an instance, the primary one first."""
        found = self._read("get_instance_ips", serviceid=service_id)
        if isinstance(found, dict) and "IP Addresses" in found:
            return [str(item["ip"]) for item in found["IP Addresses"]]
        instance = self.instance(service_id)  # the documented shape says less than the object
        if instance is None:
            return []
        others = [address for address in instance.addresses if address != instance.main_ip]
        return [instance.main_ip, *others]

    def price_list(self) -> list[PriceLine]:
        """Return the sizes on offer, from either of the two shapes."""
        found = self._read("get_price_list")
        lines = found.values() if isinstance(found, dict) else found
        return [PriceLine.model_validate(line) for line in lines]

    def location_id(self, name: str) -> int:
        """Return the id of a location by its name."""
        return int(self._by_name("get_locations", name, "id", "location"))

    def image_id(self, name: str) -> str:
        """Return the template of an operating system image by its name."""
        return str(self._by_name("get_public_images", name, "uuid", "image"))

    def order(self, *, name: str, template: str, rid: int, location_id: int, cycle: str) -> None:
        """Buy an instance. Charges at once; AnswerLost means that it may have been bought."""
        self._change(
            "add_instance",
            template=template,
            rid=rid,
            location_id=location_id,
            qty=1,
            srvrname=name,
            billingcycle=cycle,
        )

    def terminate(self, service_id: int) -> None:
        """Delete an instance for good."""
        self._change("terminate", serviceid=service_id)

    def release_address(self, service_id: int, address: str) -> None:
        """Give a secondary address back."""
        self._change("delete_ip", serviceid=service_id, ip=address)

    def set_pointer(self, service_id: int, address: str, hostname: str) -> None:
        """Set the PTR of an address."""
        self._change("set_rdns", serviceid=service_id, ip=address, rdns=hostname)

    def firewall(self, service_id: int) -> FirewallProfile:
        """Return the firewall profile of an instance."""
        found = self._read("get_instance_firewall_profile", serviceid=service_id)
        return FirewallProfile.model_validate(found)

    def set_firewall(self, service_id: int, profile: str) -> None:
        """Set the firewall profile, and read it back: one without SSH is undone and refused."""
        before = self.firewall(service_id)
        self._change("set_instance_firewall", serviceid=service_id, name=profile)
        if not self.firewall(service_id).lets_in(SSH):
            self._change("set_instance_firewall", serviceid=service_id, name=before.name)
            raise FirewallWithoutSsh(f"firewall profile {profile} does not let SSH in")

    def toggle_lock(self, service_id: int) -> None:
        """Turn the lock of an instance over; read `locked` first."""
        self._change("toggle_lock", serviceid=service_id)

    def _instance(self, service_id: int) -> dict[str, Any] | None:
        try:
            found = self._read("get_instance", serviceid=service_id)
        except Refused as refusal:
            if "serviceid" in str(refusal).lower():
                return None
            raise
        return dict(found) if found else None

    def _by_name(self, action: str, name: str, key: str, what: str) -> Any:
        found = self._read(action)
        for item in found:
            if str(item.get("name", "")).lower() == name.lower():
                return item[key]
        known = ", ".join(sorted(str(item.get("name")) for item in found))
        raise Refused(f"{what} {name} is not on offer", remedy=f"use one of: {known}")

    def _read(self, action: str, **parameters: Any) -> Any:
        """Call something that changes nothing; network trouble is tried three times."""
        pause = FIRST_PAUSE
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._call(action, parameters)
            except Unreachable:
                if attempt == ATTEMPTS:
                    raise
                self._pause(pause)
                pause *= 2
        raise AssertionError

    def _change(self, action: str, **parameters: Any) -> None:
        """Call something that changes; a broken connection is AnswerLost, for looking first."""
        try:
            self._call(action, parameters)
        except Unreachable as error:
            raise AnswerLost(f"{action}: the answer was lost ({error})") from None

    def _call(self, action: str, parameters: dict[str, Any]) -> Any:
        form = {"action": action, "API": self._key.get_secret_value()}
        form.update({name: str(value) for name, value in parameters.items()})
        self._limiter.wait()
        try:
            answer = self._http.post(self._url, data=form)
        except httpx2.HTTPError as error:
            raise Unreachable(f"{action}: {type(error).__name__} at {self._url}") from None
        if answer.status_code >= httpx2.codes.INTERNAL_SERVER_ERROR:
            raise Unreachable(f"{action}: HTTP {answer.status_code} from {self._url}")
        return payload(answer.text, action)
