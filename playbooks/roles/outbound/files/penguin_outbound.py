#!/usr/bin/python3
"""Tries whether mail leaves from each address: an SMTP dialogue with the echo MX, without mail.

Prints a report as JSON and keeps it for the next look. With `--last` the kept one is printed,
unless it is older than an hour and a half or of another configuration.
"""

from __future__ import annotations

import argparse
import json
import os
import smtplib
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

TIMEOUT = 10.0
"""Seconds for the connection and for each answer."""
TRIES = 2
CONCURRENT_DIALOGUES = 32
MAX_AGE = 5400
"""Seconds for which a report is as good as a new one; the timer makes one every hour."""


def dialogue(mx: str, port: int, ip: str, helo: str) -> dict[str, Any]:
    """Talk to the echo MX from one address, up to RCPT (RFC 5321 3.3).

    `stage` of the result is where it ended: `lookup`, `bind`, `connect`, `tls`, `dialogue`, or
    `done` when the server gave its last answer, whatever this is.
    """
    stage = "lookup"
    try:
        # The address of an A record, since the address to bind is IPv4.
        target = socket.getaddrinfo(mx, port, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
        stage = "bind"
        with socket.socket() as bound:
            bound.bind((ip, 0))
        stage = "connect"
        client = smtplib.SMTP(str(target), port, helo, TIMEOUT, source_address=(ip, 0))
        stage = "dialogue"
        reply = client.ehlo()
        if client.has_extn("starttls"):
            stage = "tls"
            started = client.starttls(context=_any_certificate())
            stage = "dialogue"
            if not _is_positive(started):
                raise smtplib.SMTPResponseException(*started)
            client.ehlo()
        tls = client.sock.version() if isinstance(client.sock, ssl.SSLSocket) else None
        if _is_positive(reply):
            reply = client.mail("")
        if _is_positive(reply):
            reply = client.rcpt(f"echo@{mx}")
        client.close()  # the answers that count have arrived
    except smtplib.SMTPConnectError as error:  # a greeting other than 220, which is an answer
        return {"stage": "done", "reply": _reason(error), "tls": None}
    except (OSError, smtplib.SMTPException, ValueError) as error:
        return {"stage": stage, "reason": _reason(error)}
    return {"stage": "done", "reply": _text(*reply), "tls": tls}


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return _text(error.smtp_code, text if isinstance(text, bytes) else text.encode())
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _text(code: int, text: bytes) -> str:
    """Return a reply in one line."""
    return " ".join(f"{code} {text.decode('ascii', 'replace')}".split())[:500]


def _is_positive(reply: tuple[int, bytes]) -> bool:
    return 200 <= reply[0] < 300


def _any_certificate() -> ssl.SSLContext:
    """Encryption as Postfix has it by default: without a check of who the server is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def report(config: dict[str, Any]) -> dict[str, Any]:
    """Make a dialogue for each address, and a second one where the first failed."""

    def work(address: dict[str, str]) -> dict[str, Any]:
        for _ in range(TRIES):
            result = dialogue(config["mx"], config["port"], address["ip"], address["helo"])
            if result["stage"] == "done":
                break
        return {**address, **result}

    with ThreadPoolExecutor(CONCURRENT_DIALOGUES) as pool:
        results = list(pool.map(work, config["addresses"]))
    return {"config": config, "at": int(time.time()), "kept": False, "results": results}


def last(path: Path, config: dict[str, Any]) -> dict[str, Any] | None:
    """Return the kept report while it is of this configuration and young enough."""
    try:
        kept = json.loads(path.read_text())
        is_valid = kept["config"] == config and 0 <= time.time() - kept["at"] < MAX_AGE
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return {**kept, "kept": True} if is_valid else None


def keep(path: Path, made: dict[str, Any]) -> None:
    """Replace the kept report in one step."""
    new = path.with_name(f".{path.name}-{os.getpid()}")
    new.write_text(json.dumps(made))
    new.rename(path)


def main() -> None:
    """Print the kept report or a new one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--last", action="store_true", help="print the kept report if it holds")
    parser.add_argument("--config", type=Path, default=Path("/etc/penguin/outbound.json"))
    parser.add_argument("--kept", type=Path, default=Path("/var/lib/penguin/outbound.json"))
    arguments = parser.parse_args()
    config = json.loads(arguments.config.read_text())
    made = last(arguments.kept, config) if arguments.last else None
    if made is None:
        made = report(config)
        print(json.dumps(made), flush=True)  # first, as a full disk keeps nothing
        keep(arguments.kept, made)
    else:
        print(json.dumps(made))


if __name__ == "__main__":
    main()
