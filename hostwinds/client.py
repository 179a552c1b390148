"""Typed client for the Hostwinds Cloud API: form posts over IPv4, every attempt rate-limited."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2
from pydantic import BaseModel, SecretStr, ValidationError

from hostwinds.answers import objects, payload, succeeded
from hostwinds.faults import (
    NOT_IN_EFFECT,
    NOT_ON_OFFER,
    OUTCOME_UNKNOWN,
    UNAUTHORIZED,
    UNREACHABLE,
    VANISHED,
    Refused,
    Unreachable,
)
from hostwinds.firewall import Firewall, FirewallProfile, names
from hostwinds.limiter import Limiter, limiter_from_environment
from hostwinds.models import Instance, PriceLine
from kit.faults import first_line

URL = "https://clients.hostwinds.com/cloud/api.php"
TIMEOUT = httpx2.Timeout(60, connect=10)
"""Seconds."""
ATTEMPTS = 3
FIRST_PAUSE = 1.0

Model = TypeVar("Model", bound=BaseModel)


class Client:
    """The calls that the platform makes. Reads are retried, changes are not.

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
    def from_environment(
        cls,
        environment: Mapping[str, str] = os.environ,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> Client:
        """Take `HOSTWINDS_API_URL`, `HOSTWINDS_API_KEY`, and the limiter beside the journal."""
        key = environment.get("HOSTWINDS_API_KEY", "")
        if not key:
            raise UNAUTHORIZED(reason="HOSTWINDS_API_KEY is not set")
        limiter = limiter_from_environment(environment, pause=pause)
        url = environment.get("HOSTWINDS_API_URL", URL)
        return cls(url, SecretStr(key), limiter, pause=pause)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def instances(self) -> list[Instance]:
        """List all instances of the account."""
        action = "get_instances"
        return [_read_as(Instance, item, action) for item in objects(self._read(action), action)]

    def instance(self, service_id: int) -> Instance | None:
        """Return one instance, None when the account does not have it."""
        answer = self._instance(service_id)
        return None if answer is None else _read_as(Instance, answer, "get_instance")

    def root_password(self, service_id: int) -> SecretStr:
        """Return the root password that the provider made: for first contact, never stored."""
        answer = self._instance(service_id)
        if answer is None:
            raise VANISHED(what=f"server {service_id}")
        return SecretStr(str(answer.get("password", "")))

    def addresses(self, service_id: int) -> list[str]:
        """List the IPv4 addresses of an instance; none when it does not exist."""
        try:
            answer = self._read("get_instance_ips", serviceid=service_id)
        except Refused as refusal:
            if _is_unknown_service(refusal):
                return []
            raise
        if isinstance(answer, dict) and "IP Addresses" in answer:
            items = objects(answer["IP Addresses"], "get_instance_ips")
            return [str(item["ip"]) for item in items if item.get("ip")]
        # The documented form of this response has fewer addresses than the object.
        instance = self.instance(service_id)
        if instance is None:
            return []
        return list(dict.fromkeys(filter(None, (instance.main_ip, *instance.addresses))))

    def secondary_addresses(self, service_id: int) -> list[str]:
        """List the addresses beside the main one; none while that is not assigned."""
        instance = self.instance(service_id)
        if instance is None or not instance.main_ip:
            return []
        return [ip for ip in self.addresses(service_id) if ip != instance.main_ip]

    def price_list(self) -> list[PriceLine]:
        """Return the sizes on offer, from either of the two formats."""
        action = "get_price_list"
        return [_read_as(PriceLine, item, action) for item in objects(self._read(action), action)]

    def location_id(self, name: str) -> int:
        """Return the id of a location by its name."""
        return int(self._by_name("get_locations", name, "id", "location"))

    def location_name(self, location_id: int) -> str:
        """Return the name of a location by its id; empty when it is not on offer any more."""
        answer = objects(self._read("get_locations"), "get_locations")
        names = (
            str(item.get("name")) for item in answer if str(item.get("id")) == str(location_id)
        )
        return next(names, "")

    def image_id(self, name: str) -> str:
        """Return the template of an operating system image by its name."""
        return str(self._by_name("get_public_images", name, "uuid", "image"))

    def order(self, *, name: str, template: str, rid: int, location_id: int, cycle: str) -> None:
        """Buy an instance. Charges at once; OUTCOME_UNKNOWN means that it may have been bought."""
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
        """Request the termination of an instance, which may take a while."""
        self._change("terminate", serviceid=service_id)

    def release_address(self, service_id: int, address: str) -> None:
        """Release a secondary address, and verify that it is released."""
        self._change("delete_ip", serviceid=service_id, ip=address)
        if address in self.addresses(service_id):
            what = f"it still has {address} after its release"
            raise NOT_IN_EFFECT(service_id=service_id, what=what)

    def set_pointer(self, service_id: int, address: str, hostname: str) -> None:
        """Set the PTR of an address."""
        self._change("set_rdns", serviceid=service_id, ip=address, rdns=hostname)

    def set_billing_cycle(self, service_id: int, cycle: str) -> None:
        """Change how often an instance is paid for."""
        self._change("change_billing_cycle", serviceid=service_id, billingcycle=cycle)

    def firewall_profiles(self) -> list[str]:
        """List the names of the account's firewall profiles."""
        action = "get_firewall_profiles"
        content = self._read(action)
        listed = list(names(content)) if isinstance(content, dict | list) else []
        if not listed:
            raise UNREACHABLE(action=action, reason="the answer has no names of profiles")
        return listed

    def firewall(self, service_id: int) -> Firewall:
        """Return the firewall profiles of an instance, usually one."""
        action = "get_instance_firewall_profile"
        content = self._read(action, serviceid=service_id)
        items = content if isinstance(content, list) else [content]
        return Firewall(tuple(_read_as(FirewallProfile, item, action) for item in items))

    def choose_firewall(self, service_id: int, name: str) -> None:
        """Choose a firewall profile by its whole name; what then applies must be read."""
        self._change("set_instance_firewall", serviceid=service_id, name=name)

    def toggle_lock(self, service_id: int) -> None:
        """Toggle the lock of an instance; read `locked` first."""
        self._change("toggle_lock", serviceid=service_id)

    def _instance(self, service_id: int) -> dict[str, Any] | None:
        try:
            answer = self._read("get_instance", serviceid=service_id)
        except Refused as refusal:
            if _is_unknown_service(refusal):
                return None
            raise
        if not isinstance(answer, dict) or not answer:
            raise UNREACHABLE(action="get_instance", reason="the answer is not an object")
        return answer

    def _by_name(self, action: str, name: str, key: str, what: str) -> Any:
        answer = objects(self._read(action), action)
        for item in answer:
            if str(item.get("name", "")).lower() == name.lower():
                if item.get(key) is None:
                    raise UNREACHABLE(action=action, reason=f"{what} {name} has no {key}")
                return item[key]
        offered = ", ".join(sorted(str(item.get("name")) for item in answer))
        raise NOT_ON_OFFER(what=what, name=name, offered=offered)

    def _read(self, action: str, **parameters: Any) -> Any:
        """Call a read; a network failure is retried, three attempts in all."""
        pause = FIRST_PAUSE
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._call(action, parameters)
            except Unreachable:
                if attempt == ATTEMPTS:
                    raise
                # Jitter, so that callers do not all retry at the same time after an outage.
                self._pause(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
                pause *= 2
        raise AssertionError

    def _change(self, action: str, **parameters: Any) -> None:
        """Call a change; without a definite answer it raises OUTCOME_UNKNOWN."""
        try:
            answer = self._call(action, parameters)
        except Unreachable as error:
            raise OUTCOME_UNKNOWN(action=action, reason=error) from None
        if not succeeded(answer):
            raise OUTCOME_UNKNOWN(
                action=action, reason="the answer says neither success nor failure"
            )

    def _call(self, action: str, parameters: dict[str, Any]) -> Any:
        form = {"action": action, "API": self._key.get_secret_value()}
        form.update({name: str(value) for name, value in parameters.items()})
        self._limiter.wait()
        try:
            response = self._http.post(self._url, data=form)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            timed_out = isinstance(error, httpx2.TimeoutException)
            cause = "no answer in time" if timed_out else first_line(error, "the connection broke")
            reason = f"{cause} at {self._url}"
            raise UNREACHABLE(action=action, reason=reason) from None
        reason = f"HTTP {response.status_code} from {self._url}"
        if response.status_code >= httpx2.codes.INTERNAL_SERVER_ERROR:
            raise UNREACHABLE(action=action, reason=reason)
        answer = payload(response.text, action)  # a refusal may come with a 4xx
        if response.status_code >= httpx2.codes.MULTIPLE_CHOICES:
            raise UNREACHABLE(action=action, reason=reason)
        return answer


def _is_unknown_service(refusal: Refused) -> bool:
    return "valid serviceid" in str(refusal).lower()


def _read_as(model: type[Model], answer: Any, action: str) -> Model:
    """Parse an object; the fault of an invalid one names its fields, never their values."""
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        fields = {".".join(map(str, mistake["loc"])) or "it" for mistake in error.errors()}
        reason = f"an object cannot be read: {', '.join(sorted(fields))}"
        raise UNREACHABLE(action=action, reason=reason) from None
