"""Asks the emulators of a running lab, which are at this machine's loopback: without a proxy."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from kit.faults import first_line
from lab.faults import FAILED

TIMEOUT = 30.0


@dataclass(frozen=True)
class Answer:
    """What an emulator answered; a refusal has its reason as `error`."""

    is_error: bool
    document: Any


def ask(method: str, url: str, document: object = None) -> Answer:
    """Send a request with a document, and return the answer; raises FAILED where there is none."""
    body = None if document is None else json.dumps(document).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(  # noqa: S310 - an address of loopback
        url, body, headers, method=method
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            return Answer(False, json.loads(answer.read() or b"null"))
    except urllib.error.HTTPError as refusal:
        with refusal:
            text = refusal.read()
        if text.startswith(b"{"):
            return Answer(True, json.loads(text))
        reason = first_line(refusal)
    except (OSError, HTTPException, ValueError) as error:
        reason = first_line(error)
    raise FAILED(part="the lab", reason=f"it does not answer: {reason}", where=url)
