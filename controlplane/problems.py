"""Errors of the API as RFC 9457 problem details with a stable code and a remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from blueprint.mistakes import DocumentError, Mistake

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

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Conflict",
                    "status": 409,
                    "code": "domain.taken",
                    "detail": "domain acme.example cannot be used",
                    "remedy": "use a domain of the tenant; ask the operator if it is yours",
                    "errors": [],
                }
            ]
        }
    )

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
    422: "Invalid document",
    500: "Internal error",
    503: "Unavailable",
}


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
            title=TITLES[status],
            status=status,
            code=code,
            detail=detail,
            remedy=remedy,
            errors=list(errors),
        )


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of an endpoint's errors; 401, 403 and 500 come with each."""
    return {
        status: {
            "model": ProblemDocument,
            "description": TITLES[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        }
        for status in sorted({401, 403, 500, *statuses})
    }


def install(app: FastAPI) -> None:
    """Answer every failure of `app` as a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(DocumentError, _document)
    app.add_exception_handler(RequestValidationError, _request)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OperationalError, _database)
    app.add_exception_handler(Exception, _unexpected)


def _answer(problem: Problem) -> JSONResponse:
    document = problem.document
    headers = {"WWW-Authenticate": "Bearer"} if document.status == 401 else None
    return JSONResponse(document.model_dump(), document.status, headers, MEDIA_TYPE)


async def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this type
    return _answer(error)


async def _document(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DocumentError)  # noqa: S101 - registered for this type
    return _answer(invalid(error.mistakes))


def invalid(mistakes: Sequence[Mistake]) -> Problem:
    """Return the problem that lists all mistakes of a document."""
    errors = [
        ProblemError(
            code=mistake.code,
            detail=mistake.message,
            remedy=mistake.remedy,
            path=mistake.path,
            suggestion=mistake.suggestion,
        )
        for mistake in mistakes
    ]
    count = "1 mistake" if len(errors) == 1 else f"{len(errors)} mistakes"
    return Problem(
        422, "tenant.invalid", f"the document has {count}", "mend what `errors` lists", errors
    )


async def _request(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    errors = [
        ProblemError(
            code="request.invalid_value",
            detail=detail["msg"],
            remedy="see /api/v1/openapi.json",
            path=".".join(str(step) for step in detail["loc"]),
        )
        for detail in error.errors()
    ]
    return _answer(
        Problem(
            422, "request.invalid", "the request is not valid", "mend what `errors` lists", errors
        )
    )


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    status = error.status_code if error.status_code in TITLES else 400
    code = {404: "request.no_such_path", 405: "request.wrong_method"}.get(status, "request.refused")
    return _answer(Problem(status, code, str(error.detail), "see /api/v1/openapi.json"))


async def _database(request: Request, error: Exception) -> JSONResponse:
    log.error("database failed", path=request.url.path, exc_info=error)
    return _answer(
        Problem(
            503,
            "database.unavailable",
            "the database does not answer or cannot write",
            "look at /api/v1/health/db and at the server's disk space",
        )
    )


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("request failed", path=request.url.path, exc_info=error)
    return _answer(
        Problem(500, "internal", "the request failed on our side", "report it with the log's entry")
    )
