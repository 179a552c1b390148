"""Every switch of the Hostwinds emulator, for tests and for trials by hand.

FAULTS concern the next requests: `POST /_lab/faults {"fault": NAME, "times": 1}` (-1: until they
are cleared by DELETE), or `account.faults.inject(NAME, times)`.

SETTINGS have values and last: `POST /_lab/settings {NAME: VALUE, …}`; GET shows them, DELETE
restores the first values. In the emulator's process `account.settings.NAME` is assigned.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

FAULTS = {
    # any call
    "slow": "answers after two seconds",
    "server_error": "answers HTTP 500, and does nothing",
    "not_json": "answers an HTML page, and does nothing",
    "dropped": "breaks the connection, and does nothing",
    "unauthorized": "answers `Not Authorized!`, and does nothing",
    # reads
    "odd_read": "answers the setting `odd_body` instead of the object or list",
    # changes, orders included
    "lost_answer": "is done, and the connection breaks",
    "no_effect": "answers success, and does nothing",
    "odd_change": "does nothing, and answers the setting `odd_body`",
    "odd_done": "is done (an order is paid and delivered), and answers the setting `odd_body`",
    # orders
    "payment_refused": "answers one step, an error, and neither charges nor delivers",
    "late_error": "is paid; the step after `Invoice Paid` is an error; delivered nevertheless",
    "late_unauthorized": "as late_error, with the message `Not Authorized!`",
    "not_delivered": "is paid, answers success, and no server appears",
    "never_boots": "is paid; the server stays in BUILD until it is booted in the portal",
}
"""What the next request does. `late_error` and `not_delivered` may be combined."""

ODD_BODIES: dict[str, Any] = {
    "error_key": {"error": "Your account is on hold."},
    "warning_key": {"warning": "Your account is on hold."},
    "status_key": {"status": "failed", "message": "Your account is on hold."},
    "result_object": {"result": "error", "message": "Your account is on hold."},
    "success_text": {"success": "true"},
    "success_false": {"success": False, "message": "Your account is on hold."},
    "success_false_text": {"success": "false", "message": "Your account is on hold."},
    "success_number": {"success": 1},
    "success_null": {"success": None},
    "success_error": {"success": {"error": "Your account is on hold."}},
    "other_word": [
        {"result": "failed", "action": "Add Instance", "message": "Your account is on hold."}
    ],
    "warning_word": [
        {"result": "warning", "action": "Add Instance", "message": "Your account is on hold."}
    ],
    "mixed_words": [
        {"result": "success", "action": "Invoice Paid", "message": ""},
        {"result": "pending", "action": "Add Instance", "message": "Your account is on hold."},
    ],
    "no_word": [{"message": "Your account is on hold."}],
    "text": "Your account is on hold.",
    "texts": ["Your account is on hold."],
    "null": None,
    "true": True,
    "number": 0,
    "empty_list": [],
    "empty_object": {},
}
"""Bodies of other shapes, all with HTTP status 200: what billing systems of this kind answer."""

OWN_USERID = 1
"""The account whose portal this is."""
Form = Literal["array", "text", "null"]


class Case(StrEnum):
    """How words of state are written."""

    SEEN = "seen"
    """As they were seen: most in upper case, `error` and `suspended` in lower case."""
    UPPER = "upper"
    LOWER = "lower"
    TITLE = "title"

    def of(self, word: str) -> str:
        """Return a word in this case."""
        return word if self is Case.SEEN else str(getattr(word, self.value)())


class Settings(BaseModel):
    """The values in use; assignments are validated."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    # Faults
    odd_body: str = Field("error_key", pattern=f"^({'|'.join(ODD_BODIES)})$")
    """Which of ODD_BODIES the faults `odd_…` answer."""
    only: str = ""
    """Name of the one action that faults concern; empty: every action."""

    # The key
    key: Literal["valid", "rotated", "expired"] = "valid"
    """`rotated`: the catalogue answers; whatever concerns instances says that the serviceid is
    not valid, listings included. Some keys of other accounts answer the same. `expired`: every
    call is `Not Authorized!`."""
    userid: int = OWN_USERID
    """The account that the key is of. Another number: its list is another one, and it is that
    account which an order charges."""

    allowed_sources: tuple[str, ...] = ()
    """The key's allow-list of IPv4 addresses; empty: every one."""
    unauthorized_status: Literal[200, 401, 403] = 200
    """HTTP status of `Not Authorized!`."""

    # Requests and answers
    json_bodies: Literal["accepted", "refused"] = "accepted"
    """`refused`: a request with a JSON body is `Not Authorized!`."""
    answers: Literal["live", "documented"] = "live"
    """`documented`: lists and objects without `success` around them, the misprint `{"success" =
    true}`, instance objects as the answer of get_instance_ips, and no step name in
    `Not Authorized!`."""
    status_case: Case = Case.SEEN
    """Of `status`, `disp_status` and `vm_state`."""

    # Prices
    prices: dict[str, str] = Field(default_factory=dict)
    """Monthly price of a line by its `rid`, instead of the first one: 51, 52, 53, 54."""
    price_lines: Literal["plain", "odd"] = "plain"
    """`odd`: a custom line with a nested price, lines without price, size or readable number, a
    test line at 0, and texts with separators and units are among the plain ones."""
    price_list: Literal["object", "array"] = "object"
    catalogue: Literal["array", "by_id"] = "array"
    """Form of the lists of locations and images, which no source gives."""
    size_unit: Literal["GB", "MB"] = "GB"
    """Unit of `ram` in price list and instance objects; no source states it."""

    # Lists of addresses
    address_lists: Literal["plain", "mixed"] = "plain"
    """`mixed`: IPv6, private and prefixed entries stand before and between the IPv4 addresses, and
    the main one is last."""
    ips: Form = "array"
    """Form of the field `ips` of an instance."""

    # Firewall profiles
    profile_names: str = Field("48213-{name}", pattern=r"\{name\}")
    """What the API calls a profile that a person made in the portal as `{name}`."""
    profile_list: Literal["objects", "names", "by_id"] = "objects"
    """Form of the answer of get_firewall_profiles, which no source gives."""
    set_firewall: Literal["replaces", "adds"] = "replaces"
    """Whether set_instance_firewall replaces a server's profiles. With several profiles,
    get_instance_firewall_profile answers a list."""

    # Moments, in seconds; real ones are minutes
    listed_after: float = Field(0.0, ge=0)
    """From the order until the server is listed."""
    active_after: float = Field(0.0, ge=0)
    """From the listing until ACTIVE, at least until it has booted."""
    reachable_after: float = Field(0.0, ge=0)
    """From ACTIVE until anything reaches the server, SSH included."""
    password_after: float = Field(0.0, ge=0)
    """From then until SSH accepts the password that get_instance shows."""
    pointer_after: float = Field(0.0, ge=0)
    """From set_rdns until name servers answer the name."""
    attached_after: float = Field(0.0, ge=0)
    """From the purchase of an address in the portal until it is listed and works."""
    lands_after: float = Field(0.0, ge=0)
    """From the answer of any other change that takes time until it has happened: recreate,
    reinstall_instance, regenerate_networking, upgrade_server, terminate, delete_ip, set_main_ip."""

    # Changes of the main address
    move_after: float = Field(0.0, ge=0)
    """From the answer until main_ip is another one; 67 in reality."""
    move_usable_after: float = Field(0.0, ge=0)
    """From then until the new address works; 600 in reality. Nothing reaches the server
    meanwhile."""
    moves_in_a_row: int = Field(3, ge=0)
    """After so many, success is answered and nothing changes."""
    move_rest: float = Field(7200.0, ge=0)
    """Seconds after which a change no longer counts as one in a row."""
    old_address: Literal["released", "kept"] = "released"
    """Whether the old main address leaves the server, or stays as a secondary one."""
    recreate_moves: bool = False
    """Whether recreate changes the main address."""


class Switchboard:
    """Settings that can be changed over HTTP."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._first = settings.model_copy(deep=True)

    def change(self, values: dict[str, Any]) -> None:
        """Set values, all or none; raises ValueError with the mistakes."""
        known = type(self.settings).model_validate({**self.settings.model_dump(), **values})
        self._assign(known)

    def restore(self) -> None:
        """Return to the first values."""
        self._assign(self._first.model_copy(deep=True))

    def _assign(self, values: Settings) -> None:
        for name in type(values).model_fields:
            setattr(self.settings, name, getattr(values, name))

    async def endpoint(self, request: Request) -> Response:
        """Change (`{name: value, …}`), show, or restore."""
        if request.method == "POST":
            try:
                self.change(await request.json())
            except ValidationError as mistakes:
                shown = "; ".join(
                    f"{'.'.join(map(str, error['loc']))}: {error['msg']}"
                    for error in mistakes.errors()
                )
                return JSONResponse({"error": shown}, 400)
        elif request.method == "DELETE":
            self.restore()
        return JSONResponse(self.settings.model_dump())
