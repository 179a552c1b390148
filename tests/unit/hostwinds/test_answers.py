"""Every form of answer has one meaning, and an unexpected one is never an empty list."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hostwinds.answers import Answer
from hostwinds.faults import REFUSED, UNAUTHORIZED, UNCLEAR, UNKNOWN_SERVICE, UNREACHABLE
from hostwinds.models import Instance, public_address
from kit.faults import Code
from tests.support.faults import any_values, fault_shown

PAID = {"result": "success", "action": "Invoice Paid", "message": "Invoice has been paid.<br>"}
ADDED = {"result": "success", "action": "Add Instance", "message": "Server is being Created!"}
FAILED = {"result": "error", "action": "Add Instance", "message": "Location Id is invalid.<br>"}
FORBIDDEN = {"result": "error", "message": "Not Authorized!"}
KEY = "secret-key-1234"


def answer(document: Any, failure: str = "") -> Answer:
    text = document if isinstance(document, str) else json.dumps(document)
    return Answer(text, "add_instance", key=KEY, failure=failure)


@pytest.mark.parametrize(
    "steps",
    [
        [PAID, ADDED],
        [{"result": "success"}],
        [PAID],
        [{**ADDED, "serviceid": 1001, "ERROR": None, "error": "", "status": "Success"}],
    ],
)
def test_change_is_confirmed_when_every_step_says_success(steps: Any) -> None:
    answer(steps).confirm()
    answer({"success": steps}).confirm()
    answer(f"\ufeff{json.dumps(steps)}\n").confirm()


@pytest.mark.parametrize(
    ("steps", "code", "reason"),
    [
        ([FAILED], REFUSED, "Location Id is invalid"),
        ([{**FAILED, "ERROR": "342432"}], REFUSED, "Location Id is invalid (ERROR 342432)"),
        ([FAILED, FAILED], REFUSED, ...),
        ([FORBIDDEN], UNAUTHORIZED, "Not Authorized"),
        ([{"result": "error"}], REFUSED, "result: error"),
        (
            [{"result": "error", "message": "A valid serviceid is required."}],
            UNKNOWN_SERVICE,
            "A valid serviceid is required",
        ),
    ],
)
def test_change_is_refused_when_every_step_says_error(steps: Any, code: Code, reason: Any) -> None:
    values = {} if code is UNAUTHORIZED else {"action": "add_instance"}
    with fault_shown(code, reason=reason, **values):
        answer(steps).confirm()


HALF_DONE: list[tuple[Any, Any]] = [
    ([PAID, FAILED], "Invoice Paid: Invoice has been paid; Location Id is invalid"),
    ([PAID, FORBIDDEN], "Invoice Paid: Invoice has been paid; Not Authorized"),
    ([FORBIDDEN, PAID], ...),
    ([PAID, {"result": "warning", "message": "Low balance"}], ...),
    ([PAID, "text"], ...),
    ([{**PAID, "error": "Insufficient funds"}], ...),
    ([{**PAID, "Error": "Insufficient funds"}], ...),
    ([{**PAID, "warnings": ["Low balance"]}], ...),
    ([{**PAID, "failed": True}], ...),
    ([{**PAID, "success": False}], ...),
    ([{**PAID, "status": "Payment declined"}], ...),
    ({"success": True}, "success: true"),
    ({"success": "true"}, "success: true"),
    ({"success": "false"}, "success: false"),
    ({"success": False}, "success: false"),
    ({"success": 1}, "success: 1"),
    ({"success": [ADDED], "error": "Insufficient funds"}, ...),
    ({"success": []}, "no reason was given"),
    ([], "no reason was given"),
    ({}, "no reason was given"),
    ("null", "the answer is not JSON: null"),
    ("true", "true"),
    ('"success"', "success"),
    ({"error": "Insufficient <b>funds</b>"}, "error: Insufficient funds"),
    ({"warning": "Balance is low"}, "warning: Balance is low"),
    ({"status": "error", "message": "Insufficient funds"}, "status: error; Insufficient funds"),
    ({"result": "success", "message": "Invoice has been paid"}, ...),
    ({"result": "unpaid", "message": "Not authorized to charge the card"}, ...),
    ({"error": {"code": 402, "text": "Payment required"}}, "code: 402; text: Payment required"),
    (FORBIDDEN, "Not Authorized"),
    ({"result": "error", "message": "Your account is on hold."}, "Your account is on hold"),
    ({"message": "Not Authorized!<br>"}, "Not Authorized"),
    ("<h1>Not Authorized!</h1>", "the answer is not JSON: Not Authorized"),
    ("<html><script>x()</script>Payment &amp; more<br></html>", ...),
    ("", "the answer is not JSON: no reason was given"),
    ("[" * 100_000, ...),
]


@pytest.mark.parametrize(("document", "reason"), HALF_DONE)
def test_change_without_a_clear_yes_or_no_is_unclear(document: Any, reason: Any) -> None:
    with fault_shown(UNCLEAR, action="add_instance", reason=reason):
        answer(document).confirm()


@pytest.mark.parametrize("document", [[PAID, ADDED], "", {"error": "x"}])
def test_status_of_an_error_is_no_yes(document: Any) -> None:
    with fault_shown(UNCLEAR, action="add_instance", reason=...):
        answer(document, failure="HTTP 500 from https://api.example").confirm()
    with fault_shown(REFUSED, action="add_instance", reason=...):
        answer([FAILED], failure="HTTP 403 from https://api.example").confirm()


@pytest.mark.parametrize(
    "document",
    [
        {"error": f"key {KEY} has expired", "password": "hunter22", "configkey": "hunter22"},
        [{"result": "error", "message": f"bad {KEY}; password: hunter22"}],
        f"<p>API={KEY} password=hunter22</p>",
    ],
)
def test_what_was_said_has_no_secret_and_no_markup(document: Any) -> None:
    said = answer(document).said
    assert KEY not in said
    assert "hunter22" not in said
    assert "<" not in said


def test_what_was_said_can_be_written_as_text() -> None:
    said = answer('[{"result": "error", "message": "Payment \\ud83d declined"}]').said
    assert said.encode() == b"Payment ? declined"


def test_long_page_is_cut() -> None:
    assert len(answer("<p>" + "word " * 1000).said) <= 300


ROWS = [{"serviceid": 1}]


@pytest.mark.parametrize(
    ("document", "rows"),
    [
        (ROWS, ROWS),
        ({"success": ROWS}, ROWS),
        ({"success": []}, []),
        ([], []),
        ({"52": {"serviceid": 1}}, ROWS),
        ('{"success" = [{"serviceid": 1}]}', ROWS),
    ],
)
def test_listing_is_read_from_each_form(document: Any, rows: Any) -> None:
    assert answer(document).rows("serviceid") == rows


NO_LISTING: list[tuple[Any, Code]] = [
    ("null", UNREACHABLE),
    ("<html>Maintenance</html>", UNREACHABLE),
    ("", UNREACHABLE),
    ("<h1>Not Authorized!</h1>", UNAUTHORIZED),
    ([FORBIDDEN], UNAUTHORIZED),
    (FORBIDDEN, UNAUTHORIZED),
    (FAILED, REFUSED),
    ({"message": "Not Authorized!<br>"}, UNAUTHORIZED),
    ([FAILED], REFUSED),
    ([{**FAILED, "message": "A valid serviceid is required."}], UNKNOWN_SERVICE),
    ("true", UNCLEAR),
    ('"text"', UNCLEAR),
    ({}, UNCLEAR),
    ({"success": {}}, UNCLEAR),
    ({"success": {"error": "Not authorized to use this card"}}, UNCLEAR),
    ([{"result": "pending", "message": "Not authorized to use this card"}], UNCLEAR),
    ({"success": False}, UNCLEAR),
    ({"success": True}, UNCLEAR),
    ({"success": [], "error": "busy"}, UNCLEAR),
    ({"message": "busy"}, UNCLEAR),
    ({"status": "error", "error": "busy"}, UNCLEAR),
    ([{"status": "error", "error": "busy"}], UNCLEAR),
    (["1"], UNCLEAR),
    ([PAID], UNCLEAR),
]


@pytest.mark.parametrize(("document", "code"), NO_LISTING)
def test_unexpected_listing_is_not_an_empty_account(document: Any, code: Code) -> None:
    for read in (Answer.rows, Answer.found):
        with fault_shown(code, **any_values(code)):
            read(answer(document), "serviceid")


@pytest.mark.parametrize(
    "document",
    [
        ["default", "48213 mail"],
        {"success": [{"name": "default"}, {"name": "48213 mail"}]},
        {"success": {"7": "default", "9": "48213 mail"}},
        {"a1": {"name": "default"}, "a2": {"name": "48213 mail"}},
    ],
)
def test_names_are_read_from_each_form(document: Any) -> None:
    assert answer(document).names() == ["default", "48213 mail"]


@pytest.mark.parametrize("document", [{"error": "busy"}, {"success": {"message": "busy"}}, [], {}])
def test_no_names_are_no_empty_list(document: Any) -> None:
    with fault_shown(UNCLEAR, action="add_instance", reason=...):
        answer(document).names()


def test_instance_of_another_person_is_read_whatever_its_fields_are_like() -> None:
    instance = Instance.model_validate(
        {
            "serviceid": "7",
            "srvrname": 12345,
            "userid": 9,
            "cpu": "4 cores",
            "ram": "8 GB",
            "disk": 0.5,
            "location_id": "sea-1",
            "ips": {"1": "198.18.1.7", "3": "2001:db8::7"},
        }
    )
    assert (instance.name, instance.account, instance.ram) == ("12345", "9", 0)
    assert instance.addresses == ("198.18.1.7",)


def test_new_instance_with_empty_fields_is_read() -> None:
    empty = dict.fromkeys(("main_ip", "ips", "status", "task_state", "locked", "cpu", "image"))
    instance = Instance.model_validate({"serviceid": "7", "srvrname": "a", **empty, "ram": ""})
    assert (instance.service_id, instance.main_ip, instance.addresses) == (7, "", ())
    assert not instance.is_active


NOT_PUBLIC = [
    None,
    7,
    "",
    "  ",
    "2001:db8::7",
    "::ffff:198.18.1.11",
    "10.0.0.5",
    "172.16.3.4",
    "192.168.1.7",
    "100.64.0.1",
    "169.254.1.1",
    "127.0.0.1",
    "0.0.0.0",  # noqa: S104 - no bind
    "224.0.0.1",
    "255.255.255.255",
    "198.18.1.11/24",
    "198.18.1.011",
    "198.18.1",
    "mx1.acme.example",
]


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_only_a_public_ipv4_address_is_one(text: Any) -> None:
    assert public_address(text) is None


def test_instance_has_only_ipv4_addresses_each_form() -> None:
    mixed = ["198.18.1.10", *(text for text in NOT_PUBLIC if text != "127.0.0.1"), " 8.8.8.8 "]
    texts = ",".join(str(text) for text in mixed)
    for ips in (mixed, texts):
        instance = Instance.model_validate({"serviceid": 7, "ips": ips, "main_ip": "2001:db8::1"})
        assert instance.addresses == ("198.18.1.10", "8.8.8.8")
        assert instance.main_ip == ""


def test_active_instance_without_a_public_address_is_not_active_yet() -> None:
    fields = {"serviceid": 7, "status": "ACTIVE"}
    for main_ip in ("", "2001:db8::7", "10.0.0.5", "198.18.1.10/24"):
        assert not Instance.model_validate({**fields, "main_ip": main_ip}).is_active
    assert Instance.model_validate({**fields, "main_ip": "198.18.1.10"}).is_active
