"""Errors of the API as RFC 9457 problem details with a stable code and a remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from psycopg.errors import DeadlockDetected, DiskFull, LockNotAvailable, SerializationFailure
from pydantic import BaseModel
from sqlalchemy import exc
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from kit.faults import Fault

MEDIA_TYPE = "application/problem+json"
log = structlog.get_logger()


class ProblemError(BaseModel):
    """One of several mistakes."""

    code: str
    detail: str
    remedy: str
    path: str
    """Place in the body: `spec.hosts[0].size`."""
    suggestion: str | None = None


class ProblemDocument(BaseModel):
    """What every error answers with (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    remedy: str
    errors: list[ProblemError] = []


TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Invalid document",
    500: "Internal error",
    503: "Unavailable",
}
LOOK = "see /api/v1/openapi.json"
EXAMPLES = {
    400: ("request.malformed_json", "the body is not JSON: it ends too early", "send valid JSON"),
    401: ("auth.missing", "the request carries no API key", "send `Authorization: Bearer …`"),
    403: ("auth.scope", "the key lacks the scope tenants:write", "use a key with that scope"),
    404: ("tenant.not_found", "there is no tenant acme", "`penguin get tenants` lists them"),
    409: ("domain.taken", "domain acme.example cannot be used", "use a domain of the tenant"),
    413: ("request.too_large", "the body is longer than 1048576 bytes", "send a shorter one"),
    415: ("request.not_json", "the body is text/plain, not JSON", "send JSON"),
    422: ("request.invalid", "the request is not valid", "mend what `errors` lists"),
    500: ("internal", "the request failed on our side", "report it with the log's entry"),
    503: ("database.unavailable", "the database does not answer", "look at /api/v1/health/db"),
}
"""One code of each status with its words, for the documentation."""


class Problem(Exception):
    """Ends a request with an answer of kind problem+json."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        remedy: str,
        errors: Sequence[ProblemError] = (),
    ) -> None:
        super().__init__(detail)
        self.document = ProblemDocument(
            title=TITLES.get(status) or HTTPStatus(status).phrase,
            status=status,
            code=code,
            detail=detail,
            remedy=remedy,
            errors=list(errors),
        )


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of an endpoint's own errors; `openapi` adds what all share."""
    return {status: described(status) for status in sorted(statuses)}


def described(status: int) -> dict[str, Any]:
    """Return the OpenAPI entry of one status, with an example."""
    code, detail, remedy = EXAMPLES[status]
    shown = Problem(status, code, detail, remedy).document.model_dump()
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    content = {MEDIA_TYPE: {"schema": schema, "example": shown}}
    return {"description": TITLES[status], "content": content}


CROSSED = (DeadlockDetected, LockNotAvailable, SerializationFailure)
"""Two requests that wait for each other, as when two tenants exchange their domains."""


def install(app: FastAPI) -> None:
    """Answer every failure of `app` as a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(Fault, _fault)
    app.add_exception_handler(RequestValidationError, _request)
    app.add_exception_handler(HTTPException, _http)
    for away in (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError):
        app.add_exception_handler(away, _database)
    app.add_exception_handler(Exception, _unexpected)


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer that a problem is; ASCII, so that any words can be repeated in it."""
    document = problem.document
    more = {"WWW-Authenticate": "Bearer"} if document.status == 401 else {}
    content = json.dumps(document.model_dump())
    return Response(content, document.status, {**more, **(headers or {})}, MEDIA_TYPE)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this type
    return _refused(request, error)


async def _fault(request: Request, error: Exception) -> Response:
    assert isinstance(error, Fault)  # noqa: S101 - registered for this type
    return _refused(request, problem_of(error))


def problem_of(fault: Fault) -> Problem:
    """Return the problem that a fault is to whoever sent the request."""
    errors = [
        ProblemError(
            code=violation.code.name,
            detail=violation.message,
            remedy=violation.remedy,
            path=violation.path,
            suggestion=violation.suggestion,
        )
        for violation in fault.violations
    ]
    code = fault.code
    return Problem(code.status or 500, code.name, fault.message, fault.remedy, errors)


def _refused(request: Request, problem: Problem) -> Response:
    """Answer, and note what was refused: whoever asks the operator why has no better word."""
    log.info("refused", path=request.url.path, code=problem.document.code, detail=str(problem))
    return answer(problem)


async def _request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    details = error.errors()
    for detail in details:
        if detail["type"] == "json_invalid":
            where = f"{detail['ctx']['error']} at character {detail['loc'][-1]}"
            return answer(_malformed(f"the body is not JSON: {where}"))
    errors = [
        ProblemError(
            code="request.invalid_value",
            detail=detail["msg"],
            remedy=LOOK,
            path=".".join(str(step) for step in detail["loc"]),
        )
        for detail in details
    ]
    return answer(
        Problem(
            422, "request.invalid", "the request is not valid", "mend what `errors` lists", errors
        )
    )


def _malformed(detail: str) -> Problem:
    return Problem(400, "request.malformed_json", detail, "send one valid JSON object in UTF-8")


async def _http(request: Request, error: Exception) -> Response:
    """Answer for the framework, which knows no paths, methods and bodies but these."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    status, detail, headers = error.status_code, str(error.detail), error.headers
    match status:
        case 400:
            problem = _malformed("the body cannot be read as JSON")
        case 404:
            problem = Problem(404, "request.no_such_path", "there is nothing here", LOOK)
        case 405:
            problem = Problem(405, "request.wrong_method", detail, "use one that `Allow` names")
            if methods := _methods(request):
                headers = {"Allow": ", ".join(methods)}
        case 413:
            problem = Problem(413, "request.too_large", detail, "send a shorter one")
        case _:
            known = status if status in TITLES else 400
            problem = Problem(known, "request.refused", detail, LOOK)
    return answer(problem, headers)


def _methods(request: Request) -> list[str]:
    """Return all methods of a described path; the framework tells those of the first route only."""
    for template, methods in request.app.openapi()["paths"].items():
        if compile_path(template)[0].match(request.url.path):
            return sorted(method.upper() for method in methods)
    return []


async def _database(request: Request, error: Exception) -> Response:
    if isinstance(getattr(error, "orig", None), CROSSED):
        log.warning("requests crossed", path=request.url.path)
        return answer(
            Problem(503, "database.busy", "another request was in the way", "send it again")
        )
    log.error("database failed", path=request.url.path, exc_info=error)
    if isinstance(getattr(error, "orig", None), DiskFull):
        return answer(
            Problem(
                503,
                "database.disk_full",
                "the disk of the database is full: nothing was written",
                "free space on the disk of PostgreSQL's data directory, then send it again",
            )
        )
    return answer(
        Problem(
            503,
            "database.unavailable",
            "the database does not answer or cannot write",
            "look at /api/v1/health/db and at the server's disk space; an embedded server is "
            "started again by `penguin serve`",
        )
    )


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("request failed", path=request.url.path, exc_info=error)
    return answer(
        Problem(500, "internal", "the request failed on our side", "report it with the log's entry")
    )
