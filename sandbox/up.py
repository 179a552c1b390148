"""`penguin up`: keep the demo's sandbox running."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from composition import embedded
from kit.steps import step
from sandbox import local
from sandbox.narration import say

app = typer.Typer(help="Keep the demo's sandbox running.")


ApiOnlyOption = Annotated[
    bool, typer.Option("--api-only", help="no real hosts: tenants stop at DnsReady")
]


@app.command()
def up(api_only: ApiOnlyOption = False) -> None:
    """Start servers, lab and control plane, unless they run."""
    started = time.monotonic()
    with local.lock():
        start(api_only=api_only)
    say(f"\nThe sandbox is up after {time.monotonic() - started:.0f} s. To look around:\n")
    say('  eval "$(.venv/bin/penguin lab env)"')
    say("  penguin apply -f tenants/acme.yaml && penguin wait tenant acme --for=condition=Ready")
    say("  penguin --help\n")
    say("`make down` ends it.")


def start(*, api_only: bool = False) -> None:
    """Start every part in order; parts that run already are left running."""
    if not local.is_up():
        local.remove_ended()
    with step("servers"):
        embedded.start_servers()
    with step("settings and database"):
        local.prepare_control_plane()
    reason = "--api-only was given" if api_only else None
    local.start_lab(lambda line: say(f"  ✓ lab {line}"), reason)
    with step("provider portals: zones, firewall profile"):
        local.prepare_providers()
    with step("control plane"):
        local.start_control_plane()
    if local.level() == "hosts":
        _pin_images()


def _pin_images() -> None:
    with step("images of Mailu"):
        pinned = local.pin_images()
    if not pinned:
        say("  ! none: hosts can have `mail: mailu` when `penguin lab images` has built stand-ins")
