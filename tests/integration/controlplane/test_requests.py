"""Invalid requests and failing databases: each is answered with a code and a remedy."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, Never

import httpx2
import pytest
from fastapi import FastAPI
from psycopg import errors
from sqlalchemy import exc

from blueprint.faults import INVALID
from controlplane import faults
from controlplane.app import create_app
from controlplane.database import Database
from controlplane.identity.keys import Scope
from controlplane.requests import DOCUMENT_LIMIT
from kit.faults import Code
from tests.integration.controlplane.conftest import PEPPER, document
from tests.support.faults import assert_shows
from tests.support.installation import PLATFORM

JSON = {"Content-Type": "application/json"}
MESSAGE = {
    "from": "sales@acme.example",
    "from_name": "Sales",
    "to": "bob@rcpt.example",
    "to_name": "Bob",
    "reply_to": "help@acme.example",
    "subject": "Hello",
    "text": "Hello Bob",
    "html": "<p>Hello Bob</p>",
    "campaign": "autumn",
    "run_at": "2026-11-24T12:00:00Z",
}
STOP = {"scope": "address", "name": "mx1-2", "tenant": "acme", "reason": "complaints"}


def problem_of(answer: Any) -> dict[str, Any]:
    """Return the problem document of an answer."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["title"]
    return problem


@pytest.mark.parametrize(
    "body",
    [
        *(b"{", b"", b"\xff", b"[" * 50_000, b"{} {}", b'{"a": 010}', b'{"a": NaN}'),
        *(b'{"a": -Infinity}', '{"a": 1}'.encode("utf-16"), b"{'a': 1}", b'{"a": 1,}'),
        *(b"[" * depth + b'{"a": 1, "a": 2}' + b"]" * depth for depth in (33, 500, 900, 960)),
        b"[" + b"[]," * 100_000 + b"[]]",
    ],
)
async def test_body_that_is_no_json_is_refused(operator, body: bytes) -> None:
    answer = await operator.post("/tenants", content=body, headers=JSON)
    if body:
        assert_shows(problem_of(answer), faults.MALFORMED_JSON, reason=...)
    else:
        assert_shows(problem_of(answer), INVALID, mistakes="1 mistake")


async def test_body_with_a_syntax_error_names_its_position(operator) -> None:
    answer = await operator.post("/tenants", content=b'{"a": }', headers=JSON)
    assert "at character 6" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ('{"kind": "Tenant", "kind": "Tenant"}', ["kind"]),
        ('{"spec": {"plan": "starter", "region": "us-west", "plan": "enterprise"}}', ["spec.plan"]),
        (
            '{"spec": {"hosts": [{}, {"addresses": 1, "addresses": 8}]}}',
            ["spec.hosts[1].addresses"],
        ),
    ],
)
async def test_key_that_is_repeated_in_a_body_is_refused(operator, text, paths) -> None:
    answer = await operator.post("/tenants", content=text, headers=JSON)
    assert_shows(problem_of(answer), INVALID, mistakes=...)
    violations = answer.json()["violations"]
    assert [(v["code"], v["path"]) for v in violations] == [
        ("document.duplicate_key", path) for path in paths
    ]


async def test_body_with_very_many_mistakes_shows_a_part_of_them(operator) -> None:
    keys = [f'"key{number}": 1' for number in range(20_000)]
    for more in ([], keys):
        text = "{" + ",".join(keys + more) + "}"
        answer = await operator.post("/tenants", content=text, headers=JSON)
        assert_shows(problem_of(answer), INVALID, mistakes="more than 100 mistakes")
        assert len(answer.json()["violations"]) == 100


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ('"8"', "write a whole number in decimal digits, without quotes; did you mean 8?"),
        ('"010"', "write 10, or 8 where an octal number is meant"),
        ("true", "it should be a whole number in decimal digits"),
        ("1.5", "it should be a whole number in decimal digits"),
        ("1e400", "it should be 32 or less"),
        ("9" * 5000, "it should be 32 or less"),
        ("9" * 30, "it should be 32 or less"),
        ("-1", "it should be 1 or more"),
        ("[8]", "it should be a whole number in decimal digits"),
        ("8.0", None),
        ("80E-1", None),
        ("null", None),
    ],
)
async def test_number_of_a_body_is_what_json_calls_a_number(operator, written, remedy) -> None:
    host = {"name": "mx1", "zone": "acme.example", "addresses": "@"}
    text = json.dumps(document(hosts=[host])).replace('"@"', written)
    answer = await operator.post("/tenants", content=text, headers=JSON)
    if remedy is None:
        (host,) = answer.json()["document"]["spec"]["hosts"]
        assert host["addresses"] == (1 if written == "null" else 8)
    else:
        assert_shows(problem_of(answer), INVALID, mistakes="1 mistake")
        (violation,) = answer.json()["violations"]
        assert (violation["path"], violation["remedy"]) == ("spec.hosts[0].addresses", remedy)


@pytest.mark.parametrize("kind", ["text/yaml", "application/x-www-form-urlencoded", None])
async def test_body_of_another_media_type_is_refused(operator, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    content = json.dumps(document()).encode()
    answer = await operator.post("/tenants", content=content, headers=headers)
    assert_shows(problem_of(answer), faults.NOT_JSON, kind=kind or ...)


async def test_body_whose_media_type_names_an_encoding_is_accepted(operator) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    content = json.dumps(document()).encode()
    assert (await operator.post("/tenants", content=content, headers=headers)).status_code == 201


async def test_large_body_is_refused_with_and_without_its_length(operator) -> None:
    large = b'{"a": "' + b"x" * DOCUMENT_LIMIT + b'"}'

    async def chunks() -> AsyncIterator[bytes]:
        yield large[:1000]
        yield large[1000:]

    with_length = await operator.post("/tenants", content=large, headers=JSON)
    assert_shows(problem_of(with_length), faults.TOO_LARGE)
    without_length = await operator.post("/tenants", content=chunks(), headers=JSON)
    assert_shows(problem_of(without_length), faults.TOO_LARGE)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/tenants/a%00b"),
        ("GET", "/tenants?cursor=%00"),
        ("GET", "/tenants?reason=%00"),
        ("POST", "/tenants/%00/retry"),
        ("POST", "/tenants/%00/refresh"),
        ("GET", "/events?tenant=%00"),
        ("DELETE", "/tenants/%00"),
        ("GET", "/tenants/%00/operations"),
        ("GET", "/tenants/%00/next-look"),
        ("GET", "/messages/%00"),
        ("GET", "/messages?tenant=%00"),
        ("GET", "/stops?tenant=a%00"),
        ("GET", "/suppressions?tenant=a%00"),
        ("GET", "/keys?cursor=%00"),
        ("DELETE", "/keys/%00"),
        ("GET", "/mailboxes?name=%00"),
        ("GET", "/hosts?cursor=%00"),
        ("GET", "/todo?tenant=%00"),
        ("GET", "/todo?reason=%00"),
    ],
)
async def test_nul_in_path_or_query_is_refused(operator, method: str, path: str) -> None:
    problem = problem_of(await operator.request(method, path))
    assert_shows(problem, faults.INVALID_REQUEST)
    assert [violation["remedy"] for violation in problem["violations"]] == ["write it without NUL"]


@pytest.mark.parametrize(
    "path",
    [
        "/tenants?limit=0",
        "/tenants?selector=",
        "/tenants?selector=a=b=c",
        "/tenants?selector=a+in+(b",
        "/tenants?selector=a%00",
        f"/tenants?selector={'a,' * 600}a",
        f"/tenants?reason={'x' * 300}",
        "/tenants?limit=x",
        f"/tenants?cursor={'x' * 300}",
        "/operations?cursor=x",
        "/operations/x",
        "/tenants/acme/operations?cursor=x",
        "/events?cursor=-1",
        f"/events?cursor={2**63}",
        f"/events?cursor={'9' * 4000}",
        "/todo?cursor=x",
        "/todo?cursor=0199b1c2-0000-7000-8000-00000000000x/tenant/Ready",
        f"/todo?reason={'x' * 300}",
        "/todo?limit=101",
        "/health/heart",
    ],
)
async def test_invalid_parameter_is_named(operator, path: str) -> None:
    answer = await operator.get(path)
    assert_shows(problem_of(answer), faults.INVALID_REQUEST)
    assert answer.json()["violations"][0]["path"].split(".")[0] in ("query", "path")


@pytest.mark.parametrize(
    ("key", "limit"), [("", "at least 1 characters"), ("x" * 201, "at most 200 characters")]
)
async def test_length_of_a_header_is_described_as_that_of_a_text(operator, key, limit) -> None:
    headers = {"Idempotency-Key": key}
    answer = await operator.post("/tenants", json=document(), headers=headers)
    [violation] = answer.json()["violations"]
    assert violation["path"] == "header.idempotency-key"
    assert violation["remedy"] == f"it should be a text of {limit}"


PYTHONIC = ("1_0", "010", "%205%20", "%2B5", "%D9%A5", "0x10", ".5", "5.", "Infinity", "")


def numeric_parameters(app: FastAPI) -> dict[str, tuple[str, str]]:
    """Return a path with each parameter that is a number or a truth value: its method and type."""
    return {
        f"{path.removeprefix('/api/v1')}?{parameter['name']}=".format(
            name="acme", operation_id="0199b1c2-0000-7000-8000-000000000000"
        ): (method, parameter["schema"]["type"])
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        for parameter in operation.get("parameters", ())
        if parameter["schema"].get("type") in ("integer", "number", "boolean")
    }


async def test_number_of_a_parameter_is_what_json_calls_one(operator, app: FastAPI) -> None:
    parameters = numeric_parameters(app)
    assert {"/tenants?limit=", "/events?limit=", "/events?latest="} <= parameters.keys()
    described = [
        parameter["schema"]
        for operations in app.openapi()["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
        if parameter["schema"].get("type") == "integer"
    ]
    assert all("minimum" in schema for schema in described)
    for path, (method, kind) in parameters.items():
        wrong = ("1", "yes", "True", "on") if kind == "boolean" else PYTHONIC
        remedy = "write true or false" if kind == "boolean" else "write "
        for written in wrong:
            answer = await operator.request(method, path + written)
            assert_shows(problem_of(answer), faults.INVALID_REQUEST)
            assert answer.json()["violations"][0]["remedy"].startswith(remedy)
        for right in ("true", "false") if kind == "boolean" else ("8", "8.0", "8e0"):
            answer = await operator.request(method, path + right)
            assert faults.INVALID_REQUEST.name not in answer.text


async def test_lone_surrogates_are_refused_and_quoted_safely(operator) -> None:
    for body in (b'{"\\ud800": 1}', b'{"metadata": {"name": "\\ud800\\u0000"}}'):
        answer = await operator.post("/tenants", content=body, headers=JSON)
        assert_shows(problem_of(answer), INVALID, mistakes=...)
    answer = await operator.get("/tenants/%ED%A0%80")
    assert_shows(problem_of(answer), faults.NOT_FOUND, name=...)


def test_every_text_of_a_parameter_is_described_without_nul(app: FastAPI) -> None:
    parameters = [
        parameter
        for path in app.openapi()["paths"].values()
        for operation in path.values()
        for parameter in operation.get("parameters", [])
    ]
    schemas = [form for parameter in parameters for form in _forms(parameter["schema"])]
    texts = [schema for schema in schemas if schema.get("type") == "string"]
    assert texts
    assert [s for s in texts if not {"format", "enum", "pattern"} & s.keys()] == []


def _forms(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    inner = [*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]
    if not inner:
        yield schema
    for form in inner:
        yield from _forms(form)


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "\udc00x"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/messages?tenant=acme", MESSAGE),
        ("POST", "/stop", STOP),
        ("POST", "/start", STOP),
        ("POST", "/keys", {"tenant": "acme", "scopes": ["messages:read"]}),
        ("POST", "/tenants/acme/pause", {"reason": "moved"}),
        ("PUT", "/tenants/acme", document(mailboxes=[{"address": "sales@acme.example"}])),
    ],
)
async def test_text_that_no_database_stores_is_refused_wherever_it_is(
    operator, method: str, path: str, body: dict[str, Any], text: str
) -> None:
    assert (await operator.post("/tenants", json=document())).status_code == 201
    for changed in _with_text(body, text):
        content = json.dumps(changed).encode()
        answer = await operator.request(method, path, content=content, headers=JSON)
        assert_shows(problem_of(answer), INVALID, mistakes=...)


def _with_text(value: Any, text: str) -> Iterator[Any]:
    """Yield a body once for each of its values and keys, replaced by the text."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: changed} for changed in _with_text(inner, text))
            yield {**value, text: inner}
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for changed in _with_text(inner, text):
                yield [*value[:index], changed, *value[index + 1 :]]
    else:
        yield text


async def test_wrong_method_names_the_allowed_ones(operator) -> None:
    answer = await operator.patch("/tenants/acme")
    assert_shows(problem_of(answer), faults.WRONG_METHOD)
    assert answer.headers["allow"] == "DELETE, GET, PUT"


class BrokenDatabase(Database):
    """A database on which no transaction can begin."""

    def __init__(self, failure: Exception) -> None:
        super().__init__({})
        self._failure = failure

    def begin(self, *_: object, **__: object) -> Never:
        """Fail."""
        raise self._failure


def on_broken_database(failure: Exception) -> httpx2.AsyncClient:
    """Return a client of an API whose database fails."""
    app = create_app(database=BrokenDatabase(failure), platform=PLATFORM, pepper=PEPPER)
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://penguin/api/v1",
        headers={"Authorization": "Bearer pm_live_key"},
    )


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (exc.OperationalError("", {}, Exception()), faults.DATABASE_UNAVAILABLE),
        (exc.InternalError("", {}, Exception("read-only")), faults.DATABASE_UNAVAILABLE),
        (exc.InterfaceError("", {}, Exception()), faults.DATABASE_UNAVAILABLE),
        (exc.TimeoutError(), faults.DATABASE_UNAVAILABLE),
        (exc.OperationalError("", {}, errors.DeadlockDetected()), faults.DATABASE_BUSY),
        (exc.OperationalError("", {}, errors.DiskFull()), faults.DATABASE_FULL),
        (errors.QueryCanceled(), faults.DATABASE_SLOW),
        (errors.AdminShutdown(), faults.DATABASE_UNAVAILABLE),
    ],
    ids=lambda value: value.name if isinstance(value, Code) else type(value).__name__,
)
async def test_failing_database_is_answered_with_its_code(failure: Exception, code: Code) -> None:
    async with on_broken_database(failure) as client:
        assert_shows(problem_of(await client.get("/tenants")), code)
        assert (await client.get("/health/db")).status_code == 503
        assert (await client.get("/health")).json()["parts"]["db"]["status"] == "failing"


async def test_unexpected_failure_is_answered_without_its_details() -> None:
    async with on_broken_database(ZeroDivisionError("secret detail")) as client:
        answer = await client.get("/tenants")
    assert_shows(problem_of(answer), faults.INTERNAL)
    assert "secret detail" not in answer.text


async def test_operation_that_does_not_exist_is_not_found(operator) -> None:
    id_ = "0199b1c2-0000-7000-8000-000000000000"
    answer = problem_of(await operator.get(f"/operations/{id_}"))
    assert_shows(answer, faults.NOT_FOUND, kind="operation", name=id_, plural="operations")


async def unread() -> AsyncIterator[bytes]:
    """A body that fails the test when it is read."""
    yield pytest.fail("the body was read")


def endpoints(app: FastAPI) -> list[tuple[str, str]]:
    """Return method and path of every endpoint that needs a key."""
    return [
        (method.upper(), path.removeprefix("/api/v1").replace("{", "").replace("}", ""))
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        if operation.get("security")
    ]


@pytest.mark.parametrize(
    ("key", "code"), [(None, faults.KEY_MISSING), ("pm_live_wrong", faults.KEY_INVALID)]
)
async def test_body_of_a_request_without_a_valid_key_is_not_read(
    operator, app: FastAPI, key: str | None, code: Code
) -> None:
    del operator.headers["Authorization"]
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    for kind in ("application/json", "text/plain"):
        for method, path in endpoints(app):
            content = unread() if method in ("POST", "PUT") else None
            more = {"Content-Type": kind} | headers
            answer = await operator.request(method, path, content=content, headers=more)
            assert_shows(problem_of(answer), code)


async def test_body_of_a_request_whose_key_lacks_the_scope_is_not_read(client_of) -> None:
    reader = await client_of(scopes=(Scope.TENANTS_READ,))
    for method, path in (("POST", "/tenants"), ("PUT", "/tenants/acme"), ("POST", "/stop")):
        answer = await reader.request(method, path, content=unread(), headers=JSON)
        assert_shows(problem_of(answer), faults.SCOPE_MISSING)
