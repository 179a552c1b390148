"""Requests, and answers in the five shapes that admin gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from typing import Any

JSON = "application/json"


@dataclass(frozen=True)
class Request:
    """One request; its path is decoded."""

    method: str
    path: str
    headers: Message
    body: bytes
    peer: str

    @property
    def client(self) -> str:
        """Where it comes from: the header is believed, from every peer."""
        return str(self.headers.get("X-Real-IP", self.peer))


@dataclass(frozen=True)
class Answer:
    """One answer."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The answer is `{code, message}`; the code is the status, unless another is given."""

    def __init__(self, code: int, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.answer = shown({"code": code, "message": message}, status or code)


class Aborted(Exception):
    """The answer is `{message}`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = shown({"message": message}, status)


class Invalid(Exception):
    """The answer is `{errors, message}`: a body breaks the rules of its fields."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(str(errors))
        self.answer = shown({"errors": errors, "message": "The body is not valid"}, 400)


class NotFound(Exception):
    """The answer is an HTML page."""

    answer: Answer

    def __init__(self) -> None:
        self.answer = page(404)


def shown(document: Any, status: int = 200) -> Answer:
    """Answer with a document."""
    return Answer(status, json.dumps(document).encode() + b"\n")


def done(message: str) -> Answer:
    """Answer `{code, message}` with 200: what every successful change gets."""
    return shown({"code": 200, "message": message})


def page(status: int) -> Answer:
    """Answer with an HTML page."""
    text = f"<!doctype html><title>{status} {HTTPStatus(status).phrase}</title>\n"
    return Answer(status, text.encode(), "text/html; charset=utf-8")
