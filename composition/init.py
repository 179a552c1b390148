"""`penguin init`: create settings, master key and the first operator's key, once."""

from __future__ import annotations

import json
import os
import secrets
import string
from typing import Annotated

import typer

from cli.connection import CONTEXT
from cli.output import Format, OutputOption, print_document
from cli.settings import SETTINGS_FILE, ZONE, platform_of
from composition.faults import INIT_EXISTS
from kit.database import Role
from kit.files import PRIVATE, write
from kit.paths import state_dir

app = typer.Typer(help="Set this installation up, once.")


@app.command()
def init(
    platform_zone: Annotated[str, typer.Option(help="The platform's own Cloudflare zone")] = ZONE,
    output: OutputOption = Format.TABLE,
) -> None:
    """Create settings, master key, first operator's key and context, all with mode 0600.

    PENGUIN_DATABASE__DSN and PENGUIN_REDIS__URL of the environment, where set, go into the
    settings; else the embedded servers are used. They contain passwords, so no option takes them.
    """
    from blueprint.platform import FIREWALL_PROFILE
    from blueprint.render import INBOUND, PEOPLE
    from controlplane.identity.keys import create_key
    from vault import KeyRing

    platform_of(platform_zone)
    directory = state_dir()
    settings = directory / SETTINGS_FILE
    if settings.exists():
        raise INIT_EXISTS(where=settings)
    ring = directory / "master.keys"
    if not ring.exists():  # left by an `init` that was interrupted
        KeyRing.create(ring)
    pepper = secrets.token_hex(32)
    key = create_key(pepper.encode())
    lines = {
        "PENGUIN_PLATFORM__INSTALLATION": new_installation(),
        "PENGUIN_PLATFORM__ZONE": platform_zone,
        "PENGUIN_DATABASE__DSN": os.environ.get("PENGUIN_DATABASE__DSN"),
        "PENGUIN_REDIS__URL": os.environ.get("PENGUIN_REDIS__URL"),
        **{
            f"PENGUIN_DATABASE__{role.upper()}_PASSWORD": secrets.token_urlsafe(24) for role in Role
        },
        "PENGUIN_API__PEPPER": pepper,
        "PENGUIN_API__OPERATOR_KEY_PREFIX": key.prefix,
        "PENGUIN_API__OPERATOR_KEY_HASH": key.hash.hex(),
        "PENGUIN_VAULT__KEY_FILE": str(ring),
        "PENGUIN_MAIL__TOKEN_KEY": secrets.token_hex(32),
    }
    context = {"url": None, "api_key": key.secret}
    write(directory / CONTEXT, json.dumps(context, indent=1), mode=PRIVATE)
    text = "".join(f"{name}={json.dumps(value)}\n" for name, value in lines.items() if value)
    write(settings, text, mode=PRIVATE)
    if output is not Format.TABLE:
        paths = {"settings": settings, "master_key": ring, "context": directory / CONTEXT}
        print_document({name: str(path) for name, path in paths.items()}, output)
        return
    print(f"settings    {settings}")
    print(f"master key  {ring}   (back it up: without it no secret can be opened)")
    print(f"context     {directory / CONTEXT}   (your operator key)")
    print(
        f"provider    create firewall profile {FIREWALL_PROFILE} in the Hostwinds portal: "
        f"{', '.join(INBOUND)} in, for hosts with Mailu also {', '.join(PEOPLE)}, everything out"
    )
    print("next: `penguin db upgrade`, then `penguin serve`")


def new_installation() -> str:
    """Return a random id, unique among the installations in one provider account."""
    letters = string.ascii_lowercase
    first = secrets.choice(letters)
    return first + "".join(secrets.choice(letters + string.digits) for _ in range(5))
