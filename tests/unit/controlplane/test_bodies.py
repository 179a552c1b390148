"""Every body that the API takes: its JSON Schema accepts exactly what its model accepts.

Rules across fields are in the descriptions, not in the schemas.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from blueprint.mail_address import ADDRESS
from blueprint.tenant import Tenant
from controlplane import faults
from controlplane.freezes.schemas import FreezeRequest
from controlplane.holds.schemas import EndRequest, HoldRequest
from controlplane.images.schemas import PinRequest
from controlplane.keys.schemas import KeyRequest
from controlplane.limits.schemas import LimitChange, WideLimitChange
from controlplane.mailboxes.schemas import TokenRequest
from controlplane.messages.schemas import Batch, ErasureRequest
from controlplane.queue.schemas.changes import RecoverRequest, ResolveRequest, SelectionRequest
from controlplane.stops.schemas import StopRequest
from controlplane.suppressions.schemas import CheckRequest, RemovalRequest, SuppressRequest
from controlplane.tenants.forgetting import ForgetRequest
from controlplane.tenants.schemas import Intervention, RetryRequest
from controlplane.warmup.schemas import TenantWarmUpRequest, WarmUpRequest
from sandbox.reference.api import description
from sender import faults as message_faults
from sender.attachments import MOST_CONTENT
from sender.schemas import MAX_BODY, TIME, OutgoingMessage
from tests.support.changed_documents import changed

MESSAGE = {
    "from": "sales@acme.example",
    "from_name": "Sales",
    "to": "bob@rcpt.example",
    "reply_to": "help@acme.example",
    "reply_to_name": "Help",
    "in_reply_to": "<1@rcpt.example>",
    "references": ["<1@rcpt.example>"],
    "attachments": [
        {
            "content": "AAAA",
            "content_type": 'text/csv; charset="utf-8"',
            "filename": "a.csv",
            "content_id": None,
        }
    ],
    "subject": "Hello",
    "text": "Hello Bob",
    "html": None,
    "campaign": "autumn",
    "priority": 50,
    "transactional": False,
    "run_at": "2026-11-24T12:00:00Z",
    "expires_at": None,
}
STOP = {"scope": "address", "name": "mx1-2", "tenant": "acme", "reason": "complaints"}
BODIES: dict[type[BaseModel], dict[str, Any]] = {
    OutgoingMessage: MESSAGE,
    Batch: {"messages": [MESSAGE]},
    ErasureRequest: {"recipient": "0f" * 32, "tenant": "acme", "reason": "a request"},
    StopRequest: STOP,
    KeyRequest: {"tenant": "acme", "scopes": ["messages:read", "messages:send"]},
    TokenRequest: {"name": "Thunderbird (office)"},
    FreezeRequest: {"what": "purchases", "reason": "the bill is being checked"},
    LimitChange: {"monthly_usd_cents": 50000, "orders_a_day": 3, "reason": "the budget"},
    WideLimitChange: {"scope": "platform", "orders_a_day": None, "reason": "the budget"},
    Intervention: {"reason": "the provider is being migrated"},
    WarmUpRequest: {
        "kind": "address",
        "name": "198.18.1.2",
        "day": 12,
        "reason": "it has sent for three years elsewhere",
    },
    TenantWarmUpRequest: {"day": 12, "reason": "it has sent for three years elsewhere"},
    HoldRequest: {
        "kind": "provider",
        "name": "google",
        "until": "2026-11-24T18:00:00Z",
        "reason": "Google defers everything",
    },
    EndRequest: {"kind": "provider", "name": "google", "reason": "Google takes mail again"},
    RetryRequest: {"buy_again": ["mx1", "mx2"]},
    ForgetRequest: {"zones": ["acme.example"]},
    PinRequest: {
        "version": "2024.06.57",
        "dry_run": True,
        "shown": {"front": f"sha256:{'5f' * 32}"},
    },
    SelectionRequest: {
        "tenant": "acme",
        "code": "warmup_cap_reached",
        "recipient_domain": "rcpt.example",
        "ids": ["0199b1c2-0000-7000-8000-000000000001"],
        "reason": "the campaign was called off",
    },
    ResolveRequest: {
        "ids": ["0199b1c2-0000-7000-8000-000000000001"],
        "delivered": False,
        "reason": "not in its log",
    },
    RecoverRequest: {
        "since": "2026-11-24T12:00:00Z",
        "treat_as": "unknown",
        "reason": "restored from the backup of noon",
    },
    SuppressRequest: {"addresses": ["bob@rcpt.example", "Eve@rcpt.example"], "reason": "bounced"},
    CheckRequest: {"address": "bob@rcpt.example"},
    RemovalRequest: {
        "address": "bob@rcpt.example",
        "reason": "unsubscribed",
        "justification": "asked again",
    },
}
"""A valid body of each model except the tenant's, which is tested with its loader."""
ACROSS_FIELDS = {code.name for code in (*faults.ACROSS_FIELDS, *message_faults.ACROSS_FIELDS)}
TIMES = (TIME, r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:00:00Z")


@cache
def schema_of(model: type[BaseModel]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(model.model_json_schema(), validate_formats=True)


def accepts(model: type[BaseModel], body: Any) -> bool:
    """Return whether a model accepts a body, apart from rules across fields."""
    try:
        model.model_validate(body)
    except ValidationError as refused:
        messages = [str(error["msg"]).removeprefix("Value error, ") for error in refused.errors()]
        return all(text in ACROSS_FIELDS for text in messages)
    return True


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """The API's description of itself."""
    return description()


def test_every_body_of_the_interface_is_tested(described: dict[str, Any]) -> None:
    bodies = [
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        for path in described["paths"].values()
        for operation in path.values()
        if "requestBody" in operation
    ]
    models: list[type[BaseModel]] = [*BODIES, Tenant]
    assert {ref.rpartition("/")[2] for ref in bodies} == {model.__name__ for model in models}


@pytest.mark.parametrize("model", BODIES, ids=lambda model: model.__name__)
def test_body_is_accepted_by_schema_and_model_or_by_none(model: type[BaseModel]) -> None:
    schema = schema_of(model)

    @settings(max_examples=60, deadline=None)
    @given(changed(st.just(BODIES[model]), (ADDRESS, *TIMES), tuple(model.model_fields)))
    def check(body: dict[str, Any]) -> None:
        assert schema.is_valid(body) == accepts(model, body)

    check()


def _file(**fields: object) -> dict[str, object]:
    return {"content": "AAAA", **fields}


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("priority", 5.0, "5"),
        ("priority", 1000, 1001),
        ("priority", 1, True),
        ("subject", "x" * 998, "x" * 999),
        ("subject", "Grüße", "Hi\nBcc: all@rcpt.example"),
        ("subject", "", "Hi\u2028"),
        ("from_name", None, "Sales\x7f"),
        ("text", "a\r\nb\t", "a\0"),
        ("text", "x" * MAX_BODY, "x" * (MAX_BODY + 1)),
        ("html", "x" * MAX_BODY, "x" * (MAX_BODY + 1)),
        ("attachments", [{"content": "A" * MOST_CONTENT}], [{"content": "A" * (MOST_CONTENT + 4)}]),
        ("html", "<p>", "<p>\0"),
        ("to", f"{'a' * 64}@rcpt.example", f"{'a' * 65}@rcpt.example"),
        ("to", "bob@rcpt.example", "bob@rcpt.example\n"),
        ("in_reply_to", "<1@x>", "<1@x>\r\nBcc: all@rcpt.example"),
        ("references", ["<1@x>"] * 100, ["<1@x>"] * 101),
        ("attachments", [{"content": "AAA="}] * 50, [{"content": "AAA="}] * 51),
        ("attachments", [{"content": ""}], [{"content": "AAA"}]),
        ("attachments", [_file(filename="a/ü b.pdf")], [_file(filename="a\n.pdf")]),
        ("attachments", [_file(content_id="a")], [_file(content_id="<a>")]),
        ("attachments", [_file(content_type="video/mp4")], [_file(content_type="message/rfc822")]),
        ("campaign", "a" * 60, "a" * 61),
        ("run_at", "2199-12-31T23:59:59.123456789-23:59", "2200-01-01T00:00:00Z"),
        ("run_at", "2026-11-24T12:00:00+02:00", "2026-11-24T12:00:00"),
        ("run_at", "2028-02-29T00:00:00Z", "2026-02-29T00:00:00Z"),
        ("run_at", None, 1_800_000_000),
        ("expires_at", "2026-11-24T12:00:00+02:00", "2026-11-24T12:00:00"),
    ],
)
def test_message_at_a_limit_is_accepted_and_one_beyond_refused(
    key: str, good: Any, bad: Any
) -> None:
    schema = schema_of(OutgoingMessage)
    for value, expected in ((good, True), (bad, False)):
        body = MESSAGE | {key: value}
        assert (schema.is_valid(body), accepts(OutgoingMessage, body)) == (expected, expected)


@pytest.mark.parametrize(
    ("good", "bad"), [("x" * 500, "x" * 501), (" moved ", " "), ("moved", "moved\n"), ("Ä", "\0")]
)
def test_reason_at_a_limit_is_accepted_and_one_beyond_refused(good: str, bad: str) -> None:
    schema = schema_of(Intervention)
    for value, expected in ((good, True), (bad, False)):
        body = {"reason": value}
        assert (schema.is_valid(body), accepts(Intervention, body)) == (expected, expected)


@pytest.mark.parametrize("model", BODIES, ids=lambda model: model.__name__)
def test_schema_of_the_description_is_that_of_the_model(
    model: type[BaseModel], described: dict[str, Any]
) -> None:
    schema = described["components"]["schemas"][model.__name__]
    assert schema["properties"].keys() == model.model_json_schema()["properties"].keys()
    assert schema["additionalProperties"] is False
