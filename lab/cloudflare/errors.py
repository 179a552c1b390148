"""Cloudflare's refusals: number, HTTP status and message."""

from __future__ import annotations


class Refusal(Exception):
    """The API refuses a request, with a code of its own and an HTTP status."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def record_missing() -> Refusal:
    """No record with that id."""
    return Refusal(81044, "Record does not exist.", 404)


def zone_missing() -> Refusal:
    """No zone with that id."""
    return Refusal(1001, "Invalid zone identifier", 404)


def identical() -> Refusal:
    """Same name, type and content."""
    return Refusal(81058, "An identical record already exists.")
