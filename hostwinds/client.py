"""Typed client for the Hostwinds Cloud API: form posts over IPv4, every attempt rate-limited."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2
from pydantic import BaseModel, SecretStr, ValidationError

from hostwinds.answers import Answer
from hostwinds.faults import (
    NOT_IN_EFFECT,
    NOT_ON_OFFER,
    OUTCOME_UNKNOWN,
    UNAUTHORIZED,
    UNREACHABLE,
    UnknownService,
    Unreachable,
)
from hostwinds.firewall import Firewall, FirewallProfile
from hostwinds.journal.fence import Fence
from hostwinds.limiter import Limiter, limiter_from_environment
from hostwinds.models import Instance, host_address
from kit.faults import Code, first_line
from kit.web import verification

URL = "https://clients.hostwinds.com/cloud/api.php"
TIMEOUT = httpx2.Timeout(60, connect=10)
"""Seconds."""
ATTEMPTS = 3
FIRST_PAUSE = 1.0
NOT_SENT = (
    httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.InvalidURL, httpx2.UnsupportedProtocol
)  # fmt: skip
"""Errors before the first byte of a request."""

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
        fence: Fence | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`fence` is held from the moment of each change until its answer."""
        self.fence = fence or Fence()
        self._url = url
        self._key = key
        self._limiter = limiter
        self._pause = pause
        # A local address of family IPv4 keeps requests off IPv6, which the provider rejects.
        self._http = httpx2.Client(
            timeout=TIMEOUT,
            transport=httpx2.HTTPTransport(
                verify=verification(url),
                local_address="0.0.0.0",  # noqa: S104
            ),
        )

    @classmethod
    def from_environment(
        cls,
        environment: Mapping[str, str] = os.environ,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> Client:
        """Take `HOSTWINDS_API_URL`, `HOSTWINDS_API_KEY`, fence, and the limiter of the journal."""
        key = environment.get("HOSTWINDS_API_KEY", "")
        if not key:
            raise UNAUTHORIZED(reason="HOSTWINDS_API_KEY is not set")
        limiter = limiter_from_environment(environment, pause=pause)
        url = environment.get("HOSTWINDS_API_URL", URL)
        fence = Fence.from_environment(environment)
        return cls(url, SecretStr(key), limiter, fence=fence, pause=pause)

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
        """List all instances of the account.

        This call names no service: a refusal of one means that the key is not valid any more.
        """
        action = "get_instances"
        try:
            items = self._read(action).rows("serviceid")
        except UnknownService as refusal:
            raise UNAUTHORIZED(reason=refusal.message) from None
        return [_read_as(Instance, item, action) for item in items]

    def instance(self, service_id: int) -> Instance:
        """Return one instance. UNKNOWN_SERVICE does not mean that it does not exist."""
        return _read_as(Instance, self._instance(service_id), "get_instance")

    def root_password(self, service_id: int) -> SecretStr:
        """Return the root password that the provider made: for first contact, never stored."""
        return SecretStr(str(self._instance(service_id).get("password", "")))

    def addresses(self, service_id: int) -> list[str]:
        """List the IPv4 addresses of an instance, each once."""
        action = "get_instance_ips"
        answer = self._read(action, serviceid=service_id)
        listed: list[Any] = []
        if not answer.is_list:
            items = answer.found("IP Addresses")["IP Addresses"]
            listed = [item.get("ip") for item in _objects(items, action)]
        elif answer.rows("serviceid"):
            # The documented form of this response has fewer addresses than the object.
            instance = self.instance(service_id)
            listed = [instance.main_ip, *instance.addresses]
        addresses = list(dict.fromkeys(filter(None, map(host_address, listed))))
        if not addresses:
            raise UNREACHABLE(action=action, reason="the answer has no address of the server")
        return addresses

    def price_list(self) -> list[dict[str, Any]]:
        """Return the lines of the price list as they are, from either of the two formats."""
        return self._read("get_price_list").rows("rid")

    def location_id(self, name: str) -> str:
        """Return the id of a location by its name."""
        return self._by_name("get_locations", name, "id", "location")

    def location_name(self, location_id: int) -> str:
        """Return the name of a location by its id; empty when it is not on offer any more."""
        answer = self._read("get_locations").rows("name")
        names = (
            str(item.get("name")) for item in answer if str(item.get("id")) == str(location_id)
        )
        return next(names, "")

    def image_id(self, name: str) -> str:
        """Return the template of an operating system image by its name."""
        return self._by_name("get_public_images", name, "uuid", "image")

    def order(self, *, name: str, template: str, rid: int, location_id: str, cycle: str) -> None:
        """Buy an instance. Charges at once.

        OUTCOME_UNKNOWN and UNCLEAR mean that it may have been charged or bought; every other fault
        that it was not.
        """
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
        return self._read("get_firewall_profiles").names()

    def firewall(self, service_id: int) -> Firewall:
        """Return the firewall profiles of an instance, usually one."""
        action = "get_instance_firewall_profile"
        answer = self._read(action, serviceid=service_id)
        items = answer.rows("name") if answer.is_list else [answer.found("name")]
        return Firewall(tuple(_read_as(FirewallProfile, item, action) for item in items))

    def choose_firewall(self, service_id: int, name: str) -> None:
        """Choose a firewall profile by its whole name; what then applies must be read."""
        self._change("set_instance_firewall", serviceid=service_id, name=name)

    def spam(self, service_id: int) -> list[str]:
        """List what the provider has filtered of an instance's mail, in its words."""
        action = "get_smtp_filters"
        answer = self._read(action, serviceid=service_id)
        items = answer.rows("type") if answer.is_list else answer.found("spam")["spam"]
        return [
            ", ".join(f"{key} {value}" for key, value in item.items() if value not in (None, ""))
            for item in _objects(items or [], action)
        ]

    def _instance(self, service_id: int) -> dict[str, Any]:
        return self._read("get_instance", serviceid=service_id).found("serviceid")

    def _by_name(self, action: str, name: str, key: str, what: str) -> str:
        answer = self._read(action).rows("name")
        for item in answer:
            if str(item.get("name", "")).lower() == name.lower():
                if item.get(key) is None:
                    raise UNREACHABLE(action=action, reason=f"{what} {name} has no {key}")
                return str(item[key])
        offered = ", ".join(sorted(str(item.get("name")) for item in answer))
        raise NOT_ON_OFFER(what=what, name=name, offered=offered)

    def _read(self, action: str, **parameters: Any) -> Answer:
        """Call a read; a network failure is retried, three attempts in all."""
        pause = FIRST_PAUSE
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._call(action, parameters)
                answer.check()
            except Unreachable:
                if attempt == ATTEMPTS:
                    raise
                # Jitter, so that callers do not all retry at the same time after an outage.
                self._pause(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
                pause *= 2
            else:
                return answer
        raise AssertionError

    def _change(self, action: str, **parameters: Any) -> None:
        """Call a change, once; UNREACHABLE or a fault of the fence when it was not sent.

        OUTCOME_UNKNOWN when no answer came, UNCLEAR when it was no yes.
        """
        self._call(action, parameters, OUTCOME_UNKNOWN, self.fence.held).confirm()

    def _call(
        self,
        action: str,
        parameters: dict[str, Any],
        no_answer: Code = UNREACHABLE,
        permitted: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> Answer:
        key = self._key.get_secret_value()
        form = {"action": action, "API": key}
        form.update({name: str(value) for name, value in parameters.items()})
        self._limiter.wait()
        try:
            with permitted():
                response = self._http.post(self._url, data=form)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            timed_out = isinstance(error, httpx2.TimeoutException)
            cause = "no answer in time" if timed_out else first_line(error, "the connection broke")
            reason = f"{cause} at {self._url}"
            code = UNREACHABLE if isinstance(error, NOT_SENT) else no_answer
            raise code(action=action, reason=reason) from None
        status = response.status_code
        failure = "" if httpx2.codes.is_success(status) else f"HTTP {status} from {self._url}"
        return Answer(response.text, action, key=key, failure=failure)


def _objects(value: Any, action: str) -> list[dict[str, Any]]:
    """Return the objects of a list, which PHP may have written as an object of numbers."""
    value = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UNREACHABLE(action=action, reason="the answer is not a list of objects")
    return value


def _read_as(model: type[Model], answer: Any, action: str) -> Model:
    """Parse an object; the fault of an invalid one names its fields, never their values."""
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        fields = {".".join(map(str, mistake["loc"])) or "it" for mistake in error.errors()}
        reason = f"an object cannot be read: {', '.join(sorted(fields))}"
        raise UNREACHABLE(action=action, reason=reason) from None
