"""The engine's diagnostics become one fault."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime

import pytest

from controlplane.pulumi import faults
from controlplane.pulumi.errors import Diagnostic, explain
from controlplane.reconciler.faults import OPERATION_ENDED
from hostwinds import faults as provider
from hostwinds.unfinished import provisioning
from kit.faults import Code, line
from stacks import faults as program
from tests.support.faults import assert_shows

GO = 'POST "http://127.0.0.1:1/zones/z/dns_records": '
"""How Pulumi's own plugin begins an error; status and JSON follow."""
STATE = program.STATE_UNREACHABLE
STOPPING = "terminating connection due to administrator command"
PENDING = Diagnostic("mx1-2", "1 error occurred:\n\t* [hostwinds.pending] mx1-2: no free address")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("cloudflare: create TXT a: 10000 Internal error (HTTP 500)", program.CLOUDFLARE_ERROR),
        ("cloudflare: create: 9109 Invalid token (HTTP 403)", program.CLOUDFLARE_UNAUTHORIZED),
        ("create: 81058 An identical record exists. (HTTP 400)", program.FOREIGN_RECORD),
        ("look up: cannot reach http://127.0.0.1:9", program.CLOUDFLARE_UNREACHABLE),
        ("Get https://api: dial tcp: connection refused", program.CLOUDFLARE_UNREACHABLE),
        (
            "create TXT a: cannot reach https://x: timed out (HTTP 502)",
            program.CLOUDFLARE_UNREACHABLE,
        ),
        (
            "create TXT a: refused with status 200: 10000 Internal error (HTTP 502)",
            program.CLOUDFLARE_ERROR,
        ),
        (f"{GO}502 Bad Gateway {{'errors': [{{'code': 0}}]}}", program.CLOUDFLARE_ERROR),
        ("refused with status 200: 81044 Gone (HTTP 502)", program.CLOUDFLARE_ERROR),
        ("refused with status 200: 81058 Same (HTTP 502)", program.FOREIGN_RECORD),
        (f"{GO}403 Forbidden {{'errors': [{{'code': 10000}}]}}", program.CLOUDFLARE_UNAUTHORIZED),
        (f"{GO}400 Bad Request {{'errors': [{{'code': 81058}}]}}", program.FOREIGN_RECORD),
        ("look up: no API token: set CLOUDFLARE_API_TOKEN", program.CLOUDFLARE_UNAUTHORIZED),
        ("the API token contains invalid characters", program.CLOUDFLARE_UNAUTHORIZED),
        ("failed to find exactly one result", program.ZONE_NOT_FOUND),
    ],
)
def test_diagnostic_of_cloudflares_plugin_has_the_programs_code(text: str, code: Code) -> None:
    fault = explain([Diagnostic("mx1", text), Diagnostic(None, "update failed")], "acme")
    assert fault is not None
    assert (fault.code, fault.message) == (code, text)
    assert "{" not in fault.remedy


@pytest.mark.parametrize(
    "form", ["create MX a: {line} (HTTP 502)", f"{GO}502 Bad Gateway {{json}}"]
)
def test_fault_that_the_gateway_reports_is_the_fault(form: str) -> None:
    reported = provider.SUPERSEDED(name="k3f9a/acme")
    errors = [{"code": 0, "message": line(reported)}]
    body = {"result": None, "success": False, "errors": errors, "messages": []}
    text = form.format(line=line(reported), json=json.dumps(body))
    fault = explain([Diagnostic("mx1", text)], "acme")
    assert fault is not None
    assert (fault.code, fault.message, fault.remedy) == (
        reported.code,
        reported.message,
        reported.remedy,
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("create: 81045 Record quota exceeded. (HTTP 400)", program.RECORD_QUOTA),
        ("create: refused with status 200: 81045 Quota (HTTP 502)", program.RECORD_QUOTA),
        ("refused with status 200: 10100 More (HTTP 502)", program.CLOUDFLARE_RATE_LIMITED),
        ("update: 81044 Record does not exist. (HTTP 404)", faults.RECORD_GONE),
        ("create: 9004 Invalid DNS record (HTTP 400)", program.RECORD_REFUSED),
        ("create: 10429 too many requests", program.CLOUDFLARE_RATE_LIMITED),
        ("create: limited (CLOUDFLARE_RATE) (HTTP 429)", program.CLOUDFLARE_RATE_LIMITED),
        (f"{GO}429 Too Many Requests {{'errors': []}}", program.CLOUDFLARE_RATE_LIMITED),
        ("create: 10100 More than 1200 (HTTP 429)", program.CLOUDFLARE_RATE_LIMITED),
        (f"{GO}400 Bad Request {{'errors': [{{'code': 9005}}]}}", program.RECORD_REFUSED),
        ("no resource plugin 'hostwinds' found", faults.ENGINE_INCOMPLETE),
        (f"writing snapshot: read state: pq: {STOPPING}", STATE),
        ("failed to load checkpoint: dial tcp 127.0.0.1:1: connect: connection refused", STATE),
        ("saving update info: driver: bad connection", STATE),
        ("failed to ping PostgreSQL: dial tcp: connect: connection refused", STATE),
        ("error reading from server: EOF", faults.PLUGIN_ENDED),
        ("code = Unavailable desc = dial tcp 127.0.0.1:1: connection refused", faults.PLUGIN_ENDED),
        ("incorrect passphrase", faults.PASSPHRASE),
        ("could not extend file: No space left on device", faults.DISK_FULL),
        ("fatal error: runtime: out of memory", faults.OUT_OF_MEMORY),
        ("python inline source runtime error: KeyError", faults.PROGRAM),
        ("something new", faults.FAILED),
    ],
)
def test_diagnostic_of_the_engine_has_a_code(text: str, code: Code) -> None:
    fault = explain([Diagnostic("mx1", text), Diagnostic(None, "update failed")], "acme")
    assert fault is not None
    assert fault.where == "stack/acme/mx1"
    assert_shows(fault, code, reason=text)


def test_stack_locked_by_an_unknown_run_says_how_to_release_it() -> None:
    fault = explain(
        [Diagnostic(None, "error: the stack is currently locked by 1 lock(s).")], "acme"
    )
    assert fault is not None
    assert_shows(fault, faults.LOCKED, holder="another run")


@pytest.mark.parametrize(
    ("name", "retryable"),
    [
        ("hostwinds.replacement_name", False),
        ("hostwinds.unauthorized", True),
        ("hostwinds.unreachable", True),
        ("dns.zone_not_found", False),
    ],
)
def test_diagnostic_with_a_code_keeps_its_text(name: str, retryable: bool) -> None:
    text = f"property serverName has a problem: [{name}] no; do: rename it"
    fault = explain([Diagnostic("mx1", text), Diagnostic(None, "update failed")], "acme")
    assert fault is not None
    assert (fault.code.name, fault.retryable) == (name, retryable)
    assert (fault.message, fault.remedy) == ("no", "rename it")


def test_pending_address_is_no_fault() -> None:
    assert explain([PENDING, Diagnostic(None, "update failed")], "acme") is None


def test_server_that_is_being_created_is_no_fault() -> None:
    fault = provisioning("k3f9a-acme-mx1-3f9a2c71be", datetime.now(UTC), None)
    created = Diagnostic("mx1", f"1 error occurred: {line(fault)}")
    assert explain([created, PENDING, Diagnostic(None, "update failed")], "acme") is None


def test_fault_beside_a_pending_address_is_returned() -> None:
    refused = Diagnostic("mx1", "[hostwinds.refused] no; do: ask")
    fault = explain([PENDING, refused], "acme")
    assert fault is not None
    assert (fault.code.name, fault.sentence) == ("hostwinds.refused", "stack/acme/mx1: no; ask")


def test_failure_without_a_diagnostic_is_a_fault() -> None:
    fault = explain([Diagnostic(None, "")], "acme", 3)
    assert fault is not None
    reason = "the engine ended with status 3, and gave no reason"
    assert_shows(fault, faults.FAILED, reason=reason)


@pytest.mark.parametrize("diagnostics", [[], [Diagnostic(None, "update failed")]])
def test_killed_engine_is_said_to_be_killed(diagnostics: list[Diagnostic]) -> None:
    fault = explain(diagnostics, "acme", -signal.SIGKILL)
    assert fault is not None
    assert_shows(fault, OPERATION_ENDED, reason="the engine was ended by SIGKILL")


def test_reason_of_an_engine_that_was_killed_afterwards_is_kept() -> None:
    fault = explain([Diagnostic("mx1", "[hostwinds.refused] no; do: ask")], "acme", -signal.SIGKILL)
    assert fault is not None
    assert fault.code is provider.REFUSED
