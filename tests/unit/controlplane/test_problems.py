"""A fault that ends a request is answered as problem details."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from controlplane import problems
from kit.faults import Fault, Table

TABLE = Table("test")
TAKEN = TABLE.code(
    "thing.taken",
    message="{name} is taken",
    remedy="choose another name",
    cause="c",
    example={"name": "acme"},
    status=409,
)
SHORT = TABLE.code("thing.short", message="too short", remedy="make it longer", cause="c")


def answered(fault: Fault) -> tuple[int, str, dict[str, object]]:
    app = FastAPI()
    problems.install(app)

    @app.get("/")
    def fail() -> None:
        raise fault

    answer = TestClient(app).get("/")
    return answer.status_code, answer.headers["content-type"], answer.json()


@pytest.mark.parametrize("violations", [(), (SHORT.violation(path="spec.name", suggestion="b"),)])
def test_fault_raised_is_answered_with_its_status(violations: tuple[()]) -> None:
    status, kind, document = answered(TAKEN(name="nope", violations=violations))
    assert (status, kind) == (409, "application/problem+json")
    assert document == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "code": "thing.taken",
        "detail": "nope is taken",
        "remedy": "choose another name",
        "retryable": False,
        "acts": "user",
        "violations": [
            {
                "code": "thing.short",
                "detail": "too short",
                "remedy": "make it longer",
                "path": "spec.name",
                "suggestion": "b",
            }
            for _ in violations
        ],
    }
