"""Errors of the API as RFC 9457 problem details, rendered from faults."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from blueprint import shape
from blueprint.faults import MOST_SHOWN, invalid
from controlplane.database_faults import ERRORS, NO_ANSWER, database_fault
from controlplane.faults import (
    DATABASE_BUSY,
    DATABASE_SLOW,
    DATABASE_UNAVAILABLE,
    INTERNAL,
    INVALID_REQUEST,
    MALFORMED_JSON,
    NO_SUCH_PATH,
    WRONG_METHOD,
)
from controlplane.schemas import ProblemDocument, ProblemViolation
from kit.faults import Code, Fault

MEDIA_TYPE = "application/problem+json"
OF_LOAD = (DATABASE_SLOW, DATABASE_BUSY)
"""Nothing is wrong with the database."""
log = structlog.get_logger()


class Refusal(HTTPException):
    """A fault as an HTTPException, where the framework passes on no other exception."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(status_of(fault.code), fault.message)
        self.fault = fault


def status_of(code: Code) -> HTTPStatus:
    """Return the HTTP status of a fault: 500 for one that is not the API's own."""
    return HTTPStatus(code.status or HTTPStatus.INTERNAL_SERVER_ERROR)


def problem_of(fault: Fault) -> ProblemDocument:
    """Return a fault as a problem document."""
    code, status = fault.code, status_of(fault.code)
    return ProblemDocument(
        title=status.phrase,
        status=status,
        code=code.name,
        detail=fault.message,
        remedy=fault.remedy,
        retryable=code.retryable,
        acts=code.acts,
        violations=[
            ProblemViolation(
                code=violation.code.name,
                detail=violation.message,
                remedy=violation.remedy,
                path=violation.path,
                suggestion=violation.suggestion,
            )
            for violation in fault.violations
        ],
    )


def responses(*codes: Code) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of an endpoint's own errors; `openapi` adds the common ones."""
    by_status: defaultdict[HTTPStatus, dict[str, Any]] = defaultdict(dict)
    for code in codes:
        shown = problem_of(code.shown()).model_dump(mode="json")
        by_status[status_of(code)][code.name] = {"summary": code.cause, "value": shown}
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {
        int(status): {
            "description": status.phrase,
            "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
        }
        for status, examples in sorted(by_status.items())
    }


def install(app: FastAPI) -> None:
    """Respond to every failure of `app` with a problem."""
    app.add_exception_handler(Fault, _fault)
    app.add_exception_handler(RequestValidationError, _request)
    app.add_exception_handler(HTTPException, _http)
    for error_type in ERRORS:
        app.add_exception_handler(error_type, _database)
    app.add_exception_handler(Exception, _unexpected)


def problem_response(fault: Fault, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response for a fault; ASCII, so that it can quote any text."""
    document = problem_of(fault)
    extra = {"WWW-Authenticate": "Bearer"} if document.status == HTTPStatus.UNAUTHORIZED else {}
    content = json.dumps(document.model_dump(mode="json"))
    return Response(content, document.status, {**extra, **(headers or {})}, MEDIA_TYPE)


async def _fault(request: Request, error: Exception) -> Response:
    """Respond, and log the refusal for operators."""
    assert isinstance(error, Fault)  # noqa: S101 - registered for this type
    log.info("refused", path=request.url.path, code=error.code.name, detail=error.message)
    return problem_response(error)


async def _request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    return await _fault(request, _invalid(request, error.errors()))


def _invalid(request: Request, details: Iterable[Mapping[str, Any]]) -> Fault:
    """Return the fault of a body or of parameters that are not valid."""
    body: list[dict[str, Any]] = []
    parameters: list[Mapping[str, Any]] = []
    for detail in islice(details, MOST_SHOWN + 1):
        source, *path = detail["loc"]
        if detail["type"] == "json_invalid":
            return MALFORMED_JSON(reason=f"{detail['ctx']['error']} at character {path[-1]}")
        if source == "body":
            body.append({**detail, "loc": tuple(path)})
        else:
            parameters.append(detail)
    invalid_values = shape.violations(body, _body_model(request)) + shape.violations(
        parameters, BaseModel
    )
    violations = tuple(violation for _, violation in invalid_values)
    return INVALID_REQUEST(violations=violations) if parameters else invalid(violations)


def _body_model(request: Request) -> type[BaseModel]:
    """Return the model of an endpoint's body."""
    field = getattr(request.scope["route"], "body_field", None)
    model = field and field.field_info.annotation
    return model if isinstance(model, type) and issubclass(model, BaseModel) else BaseModel


async def _http(request: Request, error: Exception) -> Response:
    """Respond to errors of the framework: paths, methods, bodies."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    if isinstance(error, Refusal):
        return problem_response(error.fault)
    match error.status_code:
        case HTTPStatus.BAD_REQUEST:
            return problem_response(MALFORMED_JSON(reason="it is nested too deeply or not UTF-8"))
        case HTTPStatus.NOT_FOUND:
            return problem_response(NO_SUCH_PATH())
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = _methods(request) or (error.headers or {}).get("Allow", "")
            fault = WRONG_METHOD(method=request.method, allowed=allowed)
            return problem_response(fault, {"Allow": allowed})
    return problem_response(MALFORMED_JSON(reason=error.detail))


def _methods(request: Request) -> str:
    """Return all methods of a path; the framework knows those of the first route only."""
    for template, methods in request.app.openapi()["paths"].items():
        if compile_path(template)[0].match(request.url.path):
            return ", ".join(sorted(method.upper() for method in methods))
    return ""


async def _database(request: Request, error: Exception) -> Response:
    fault = database_fault(error) or DATABASE_UNAVAILABLE(reason=NO_ANSWER)
    if fault.code in OF_LOAD:
        log.warning("request not done", path=request.url.path, code=fault.code.name)
    else:
        log.error("database failed", path=request.url.path, exc_info=error)
    return problem_response(fault)


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("request failed", path=request.url.path, exc_info=error)
    return problem_response(INTERNAL())
