"""`penguin down`: end the sandbox; nothing of it is left."""

from __future__ import annotations

import typer

from composition import embedded
from kit.steps import step
from sandbox import local

app = typer.Typer(help="End the sandbox; nothing of it is left.")


@app.command()
def down() -> None:
    """End control plane, lab and servers. Can be repeated."""
    stop()


def stop() -> None:
    """End everything in the order that lets each part finish its work."""
    with step("control plane ended"):
        local.stop_control_plane()
    with step("lab ended"):
        local.stop_lab()
    with step("servers ended"):
        embedded.stop_servers()
        local.forget()
