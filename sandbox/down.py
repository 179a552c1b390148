"""`penguin down`: stop and remove the sandbox."""

from __future__ import annotations

import typer

from composition import embedded
from kit.steps import step
from sandbox import local

app = typer.Typer(help="Stop and remove the sandbox.")


@app.command()
def down() -> None:
    """Stop and remove control plane, lab and servers. Can be repeated."""
    stop()


def stop() -> None:
    """Stop everything, in the order in which each part can finish its work."""
    with step("control plane ended"):
        local.stop_control_plane()
    with step("lab ended"):
        local.stop_lab()
    with step("servers ended"):
        embedded.stop_servers()
        local.remove_data()
