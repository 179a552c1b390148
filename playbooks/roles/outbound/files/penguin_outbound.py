#!/usr/bin/python3
"""Tries whether mail leaves from each address: an SMTP dialogue with the echo MX, without mail.

Prints a report as JSON and keeps it for the next look. With `--last SECONDS` the kept one is
printed, unless it is older than that, or than an hour and a half, or of another configuration.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TIMEOUT = 10.0
"""Seconds for the connection and for each answer."""
TRIES = 2
"""Dialogues with the only address of the echo MX."""
MOST_TARGETS = 3
"""Dialogues where it has several, one with each."""
CONCURRENT_DIALOGUES = 32
MAX_AGE = 5400
"""Seconds for which a report is as good as a new one; the timer makes one every hour."""


def dialogue(target: str, config: dict[str, Any], address: dict[str, str]) -> dict[str, Any]:
    """Talk to the echo MX from one address, up to RCPT (RFC 5321 3.3).

    `stage` of the result is where it ended: `bind`, `connect`, `tls`, `dialogue`, or `done` when
    RCPT was answered, whatever the answer is.
    """
    ip, port = address["ip"], config["port"]
    stage = "bind"
    try:
        with socket.socket() as bound:
            bound.bind((ip, 0))
        stage = "connect"
        client = smtplib.SMTP(target, port, address["helo"], TIMEOUT, source_address=(ip, 0))
        stage = "dialogue"
        _require_yes(client.ehlo())
        if client.has_extn("starttls"):
            stage = "tls"
            started = client.starttls(context=_any_certificate())
            stage = "dialogue"
            _require_yes(started)
            client.ehlo()
        tls = client.sock.version() if isinstance(client.sock, ssl.SSLSocket) else None
        _require_yes(client.mail(""))
        reply = client.rcpt(f"echo@{config['mx']}")
        client.close()  # the answers that count have arrived
    except smtplib.SMTPConnectError as error:  # a greeting other than 220
        return {"stage": "dialogue", "reason": _reason(error)}
    except (OSError, smtplib.SMTPException, ValueError) as error:
        return {"stage": stage, "reason": _reason(error)}
    return {"stage": "done", "reply": _text(*reply), "tls": tls}


def _require_yes(reply: tuple[int, bytes]) -> None:
    if not 200 <= reply[0] < 300:
        raise smtplib.SMTPResponseException(*reply)


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return _text(error.smtp_code, text if isinstance(text, bytes) else text.encode())
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _text(code: int, text: bytes) -> str:
    """Return a reply in one line."""
    return " ".join(f"{code} {text.decode('ascii', 'replace')}".split())[:500]


def _any_certificate() -> ssl.SSLContext:
    """Encryption as Postfix has it by default: without a check of who the server is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def addresses_of(name: str) -> list[str]:
    """Return the IPv4 addresses of a name, each once."""
    found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@contextmanager
def acting_as(account: str | None) -> Iterator[None]:
    """Open connections as an account that the host's firewall lets reach port 25; None: as now."""
    before = os.geteuid()
    if account is not None:
        os.seteuid(pwd.getpwnam(account).pw_uid)
    try:
        yield
    finally:
        os.seteuid(before)


def report(
    config: dict[str, Any],
    look_up: Callable[[str], list[str]] = addresses_of,
    talk: Callable[..., dict[str, Any]] = dialogue,
) -> dict[str, Any]:
    """Make a dialogue for each address, and another one where it failed."""
    addresses = config["addresses"]

    def work(address: dict[str, str]) -> dict[str, Any]:
        for target in targets:
            result = talk(target, config, address)
            if result["stage"] == "done":
                break
        return {**address, **result}

    try:
        found = look_up(config["mx"]) if addresses else []
        targets = found[:MOST_TARGETS] if len(found) > 1 else found * TRIES
        with ThreadPoolExecutor(CONCURRENT_DIALOGUES) as pool:
            results = list(pool.map(work, addresses))
    except (OSError, ValueError) as error:
        failed = {"stage": "lookup", "reason": _reason(error)}
        results = [{**address, **failed} for address in addresses]
    return {"config": config, "at": int(time.time()), "kept": False, "results": results}


def last(path: Path, config: dict[str, Any], max_age: int) -> dict[str, Any] | None:
    """Return the kept report while it is of this configuration and young enough."""
    try:
        kept = json.loads(path.read_text())
        is_valid = kept["config"] == config and 0 <= time.time() - kept["at"] < max_age
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
    parser.add_argument("--last", type=int, metavar="SECONDS", help="print a kept report so young")
    parser.add_argument("--config", type=Path, default=Path("/etc/penguin/outbound.json"))
    parser.add_argument("--kept", type=Path, default=Path("/var/lib/penguin/outbound.json"))
    arguments = parser.parse_args()
    config = json.loads(arguments.config.read_text())
    made = last(arguments.kept, config, min(arguments.last or 0, MAX_AGE))
    if made is None:
        with acting_as(config.get("account")):
            made = report(config)
        print(json.dumps(made), flush=True)  # first, as a full disk keeps nothing
        keep(arguments.kept, made)
    else:
        print(json.dumps(made))


if __name__ == "__main__":
    main()
