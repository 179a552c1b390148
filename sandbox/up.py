"""`penguin up`: keep the demo's sandbox running."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated

import typer

from composition import embedded
from kit.paths import cache_dir
from kit.steps import step
from lab.registry import order
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
    tenant, condition = ("acme", "Ready") if local.level() == "hosts" else ("globex", "DnsReady")
    apply = f"penguin apply -f tenants/{tenant}.yaml"
    say(f"  {apply} && penguin wait tenant {tenant} --for=condition={condition}")
    say("  penguin --help\n")
    say("`make down` ends it.")


def start(
    *, api_only: bool = False, golden: bool = False, extra: Mapping[str, str] | None = None
) -> None:
    """Start every part in order; parts that run already are left running.

    `extra` adds variables to those of the control plane.
    """
    if not local.is_up():
        local.remove_ended()
    with step("servers"):
        embedded.start_servers()
    with step("settings and database"):
        local.prepare_control_plane()
    reason = "--api-only was given" if api_only else None
    local.start_lab(lambda line: say(f"  ✓ lab {line}"), reason, golden=golden)
    with step("provider portals: zones, firewall profile"):
        local.prepare_providers()
    with step("control plane"):
        local.start_control_plane(extra)
    if local.level() == "hosts":
        _pin_images()


def _pin_images() -> None:
    """Let hosts have Mailu; the stand-ins for its images are built once on this machine."""
    with step("images of Mailu"):
        order.provide(local.lab_dir(), cache_dir(), lambda line: say(f"  … {line}"))
        local.pin_images()
