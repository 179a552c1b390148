#!/usr/bin/python3

"""Asks one part of Mailu for what it is there for; fails, with the reason, unless it does that.

Docker's own `healthy` says less: it is minutes late, and true of a part that waits for another.
It asks each second for some seconds; the task repeats it, so that each reason is shown.
"""

from __future__ import annotations

import http.client
import json
import re
import smtplib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

ARGUMENTS = r"""<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>"""
"""Ansible writes them here: see "Modules" in playbooks/README.md."""
TIMEOUT = 5.0
PAUSE = 1.0
VALIDATED = re.compile(r"^;; flags:[^;]* ad[ ;]", re.MULTILINE)
STRANGER = "postmaster@stranger.invalid"
OK, ACCEPTED, REFUSED = 200, 250, range(500, 600)
NOT_RELAYED = {454: b"4.7.1", 450: b"4.1.2"}
"""Codes of a refusal for now that says as much: an unknown domain, and one that does not exist."""


class NotYet(Exception):
    """The part does not do it; the message says what it does instead."""


def resolver(project: str, name: str) -> None:
    """Have the resolver validate a name, asked from inside: it answers containers only."""
    done = _run(
        *("docker", "exec", f"{Path(project).name}-resolver-1"),
        *("dig", "+time=5", "+tries=1", "@127.0.0.1", name, "A"),
    )
    if "status: NOERROR" not in done.stdout:
        raise NotYet(f"{name}: {_last_line(done.stdout + done.stderr)}")
    if not VALIDATED.search(done.stdout):
        raise NotYet(f"{name} is answered without validation")


def admin(address: str, port: int = 8080) -> None:
    """Ping the application that all others ask."""
    connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/ping")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise NotYet(str(error) or type(error).__name__) from error
    finally:
        connection.close()
    if status != OK:
        raise NotYet(f"it answers a ping with {status}")


def mail(address: str, port: int = 25, timeout: float = TIMEOUT) -> None:
    """Have a mail to a stranger refused: that needs front, admin, smtp, and the filter's milter.

    The recipient's domain cannot exist, so that no name server and no mailbox matters. A Mailu that
    takes the mail trusts this host, and would relay for all that reach its port by way of it.
    """
    try:
        with smtplib.SMTP(address, port, timeout=timeout) as client:
            client.ehlo_or_helo_if_needed()
            code, text = client.mail("")
            if code == ACCEPTED:
                code, text = client.rcpt(STRANGER)
                if code in REFUSED or text.startswith(NOT_RELAYED.get(code, b"none")):
                    return
    except (OSError, smtplib.SMTPException) as error:
        raise NotYet(str(error) or type(error).__name__) from error
    shown = f"{code} {text.decode(errors='replace')}"
    raise NotYet(f"it answers mail for {STRANGER} with {shown}")


def state_of(project: str, service: str) -> str:
    """Return the state of a container, and the last line of its log."""
    compose = ("docker", "compose", "--project-directory", project)
    shown = _run(*compose, "ps", "--all", "--format", "{{.Status}}", service).stdout.strip()
    done = _run(*compose, "logs", "--no-log-prefix", "--tail", "1", service)
    return f"{service}: {shown or 'no container'}; {_last_line(done.stdout + done.stderr)}"


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing"


WHAT = {
    "resolver": "Mailu's resolver does not validate",
    "admin": "Mailu's application does not answer",
    "mail": "Mailu does not refuse what it has to",
}
SERVICES = {"resolver": "resolver", "admin": "admin", "mail": "antispam"}
"""The container whose log says why; of those that mail needs, the one that is last."""


def ask(part: str, project: str, address: str, name: str) -> None:
    """Ask a part; raises NotYet."""
    if part == "resolver":
        resolver(project, name)
    elif part == "admin":
        admin(address)
    else:
        mail(address)


def wait_until(asked: Callable[[], None], seconds: float, pause: float = PAUSE) -> None:
    """Ask until a part does it; raises the last NotYet after these seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return asked()
        except NotYet:
            if time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)  # containers give no sign of when a part works


def main() -> None:
    """Ask until it works or the seconds are over; not in a check, where nothing was started."""
    given = json.loads(ARGUMENTS)
    part, project = given["part"], given["project"]
    result: dict[str, object] = {"changed": False}
    try:
        if not given["_ansible_check_mode"]:
            address, name = given.get("address", ""), given.get("name", "")
            wait_until(lambda: ask(part, project, address, name), float(given["seconds"]))
    except (NotYet, subprocess.TimeoutExpired) as error:
        reason = f"{WHAT[part]}: {error} ({state_of(project, SERVICES[part])})"
        result = {"failed": True, "msg": reason}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
