"""Every form of answer has one meaning, and an unexpected one is never an empty list."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hostwinds.answers import objects, payload, succeeded
from hostwinds.faults import OUTCOME_UNKNOWN, REFUSED, UNAUTHORIZED, UNREACHABLE
from hostwinds.models import Instance
from kit.faults import Code
from tests.support.faults import fault_shown

OK = {"result": "success", "action": "Invoice Paid", "message": "Invoice has been paid.<br>"}
FAILED = {"result": "error", "action": "Add Instance", "message": "Location Id is invalid.<br>"}


def test_bare_and_wrapped_answers_are_the_same() -> None:
    listed = [{"serviceid": 1}]
    assert payload(json.dumps(listed), "a") == payload(json.dumps({"success": listed}), "a")


@pytest.mark.parametrize("text", ['{"success":true}', '{"success" = true}', ' { "success"= true }'])
def test_misprint_of_the_documentation_is_parsed(text: str) -> None:
    assert payload(text, "a") is True


@pytest.mark.parametrize(
    ("text", "code", "values"),
    [
        (json.dumps([FAILED]), REFUSED, {"reason": "Location Id is invalid"}),
        (json.dumps([{**FAILED, "ERROR": "342432"}]), REFUSED, {}),
        (json.dumps([OK, FAILED]), OUTCOME_UNKNOWN, {"reason": ...}),
        ('{"success": false}', REFUSED, {"reason": "no reason was given"}),
        ('[{"result":"error","message":"Not Authorized!"}]', UNAUTHORIZED, {}),
        ('{"message":"Not Authorized!<br>"}', UNAUTHORIZED, {}),
        ("<h1>Not Authorized!</h1>", UNAUTHORIZED, {}),
        ("<html>Maintenance</html>", UNREACHABLE, {"reason": "the answer is not JSON"}),
        ("", UNREACHABLE, {"reason": "the answer is not JSON"}),
    ],
)
def test_refusal_has_its_code(text: str, code: Code, values: dict[str, str]) -> None:
    if code is UNREACHABLE:
        values = {"action": "add_instance", **values}
    with fault_shown(code, **values):
        payload(text, "add_instance")


@pytest.mark.parametrize(
    ("answer", "success"),
    [([OK], True), ([{"result": "success"}], True), (True, True), ([], False), ({}, False)],
)
def test_answer_is_success_only_when_it_says_so(answer: Any, success: bool) -> None:
    assert succeeded(answer) is success


def test_objects_are_read_from_a_list_or_a_mapping() -> None:
    assert objects({"52": {"rid": "52"}}, "a") == objects([{"rid": "52"}], "a")
    assert objects([], "a") == []


@pytest.mark.parametrize("answer", [None, True, "text", {"message": "busy"}, ["1"]])
def test_unexpected_listing_is_not_an_empty_account(answer: Any) -> None:
    with fault_shown(UNREACHABLE, action=..., reason=...):
        objects(answer, "get_instances")


def test_new_instance_with_empty_fields_is_read() -> None:
    empty = dict.fromkeys(("main_ip", "ips", "status", "task_state", "locked", "cpu", "image"))
    instance = Instance.model_validate({"serviceid": "7", "srvrname": "a", **empty, "ram": ""})
    assert (instance.service_id, instance.main_ip, instance.addresses) == (7, "", ())
    assert not instance.is_active
