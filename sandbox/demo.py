"""`penguin demo`: the main job on real parts, from a tenant file to a delivered mail."""

from __future__ import annotations

import json
import os
import re
import time
from email import message_from_string, policy
from pathlib import Path

import typer

from cli.terminal import wrapped
from kit.steps import step
from lab.receiver import wait_for_message
from sandbox import down, local, people, up, warm_and_cold
from sandbox.narration import document, heading, penguin, say

app = typer.Typer(help="The main job on real parts.")

TENANT = "acme"
FILE = Path("tenants") / "acme.yaml"
DEADLINE = "1500s"
"""Of each wait; a machine with one slow core needs minutes to install two hosts."""
ARRIVAL_SECONDS = 60.0
"""Time limit for a mail from our host to the receiver's mailbox."""
RECEIVED = re.compile(r"from (?P<helo>\S+) \((?P<ptr>\S+) \[(?P<address>[\d.]+)\]\) .*Postfix")
"""How Postfix records a client: HELO, name of the address, address."""


SHOWN = (
    "Return-Path", "Received", "Authentication-Results", "List-Unsubscribe", "From", "To",
    "Subject", "Date", "Message-ID",
)  # fmt: skip
"""Headers of the received mail; `penguin lab inbox` shows all of it."""


@app.command()
def demo(api_only: up.ApiOnlyOption = False) -> None:
    """Run the main job, then end what it started. A running sandbox is used and left running."""
    with local.lock():
        _demo(api_only)


def _demo(api_only: bool) -> None:
    was_up = local.is_up()
    started = time.monotonic()
    try:
        heading("the sandbox" + (" (joined: `make up` runs)" if was_up else ""))
        up.start(api_only=api_only)
        if local.level() == "hosts":
            _main_job()
        else:
            _api_level(local.missing() or "real hosts")
        say(f"\nDone in {time.monotonic() - started:.0f} s.")
        say("To try more: `make up` keeps this sandbox running, `make down` ends it.")
    finally:
        if not was_up:
            heading("cleaning up")
            down.stop()


def _main_job() -> None:
    environment = _apply(FILE, warm_and_cold.FILE)
    heading("the tenant becomes ready")
    _wait(environment, TENANT, "Ready")
    heading("a mail through the tenant's host")
    with step("receiving server"):
        local.wait_for_receiver()
    message = _send(environment)
    heading("the mail as it was received")
    _show_received(message["message_id"])
    heading("each decision about the mail")
    penguin(environment, "explain", message["id"])
    heading("the tenant")
    penguin(environment, "describe", "tenant", TENANT)
    _show_people(environment)
    heading("the second tenant becomes ready")
    _wait(environment, warm_and_cold.WARM, "Ready")
    warm_and_cold.show(environment)


def _show_people(environment: dict[str, str]) -> None:
    answer = people.show(environment)
    if answer is not None:
        heading("the answer as it was received")
        _show_received(answer)


def _api_level(missing: str) -> None:
    """Run the demo up to DNS, where no host can run, with a tenant whose hosts need no images."""
    say(f"Real hosts cannot run on this machine: {missing}. The demo ends after DNS.")
    environment = _apply(warm_and_cold.FILE)
    heading("the tenant becomes ready")
    _wait(environment, warm_and_cold.WARM, "DnsReady")
    heading("the tenant")
    penguin(environment, "describe", "tenant", warm_and_cold.WARM)


def _apply(*files: Path) -> dict[str, str]:
    """Apply files with the variables of the sandbox; return the variables."""
    environment = {**os.environ, **local.environment()}
    arguments = ["apply", *(word for file in files for word in ("-f", str(file)))]
    heading(f"$ penguin {' '.join(arguments)}")
    penguin(environment, *arguments, shown=False)
    return environment


def _wait(environment: dict[str, str], tenant: str, condition: str) -> None:
    arguments = (f"--for=condition={condition}", f"--timeout={DEADLINE}")
    penguin(environment, "wait", "tenant", tenant, *arguments)


def _send(environment: dict[str, str]) -> dict[str, str]:
    """Send one mail and return its identifiers once the host has accepted it."""
    arguments = ["--from", "sales@acme.example", "--to", "alice@rcpt.example"]
    arguments += ["--subject", "Hello from acme", "--text", "Sent through acme's own host."]
    sent = document(environment, "send", *arguments, "--tenant", TENANT, "--wait")
    message: dict[str, str] = json.loads(sent)
    say(f"{message['state']}: {message['message_id']}")
    return message


def _show_received(message_id: str) -> None:
    """Print the mail, and the client that delivered it, as the server recorded it."""
    text = wait_for_message(local.lab_dir(), message_id, ARRIVAL_SECONDS)
    mail = message_from_string(text, policy=policy.default)
    for name in SHOWN:
        for value in mail.get_all(name, []):
            say(wrapped(" ".join(str(value).split()), first=f"{name}: ", indent="    "))
    say(f"\n{mail.get_content().strip()}")
    for received in mail.get_all("Received", []):
        match = RECEIVED.search(" ".join(str(received).split()))
        if match:
            say(f"\nsending address  {match['address']}")
            say(f"PTR              {match['ptr']}")
            say(f"HELO             {match['helo']}")
            return
