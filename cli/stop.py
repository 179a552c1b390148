"""`penguin stop`: stop outgoing mail of the platform, a tenant, a domain or an address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from cli.api import connect
from cli.completing import resources
from cli.faults import USAGE
from cli.kinds import ADDRESS, DOMAIN, TENANT
from cli.names import TenantOption, named, tenant_option
from cli.output import Format, OutputOption, print_result
from cli.pause import ReasonOption
from cli.times import moment
from controlplane.stops.schemas import StopView
from sender.schemas import Stop

app = typer.Typer()
PLATFORM = "platform"
KINDS = (TENANT, DOMAIN, ADDRESS)
TargetArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="TARGET",
        help="platform, tenant/NAME, domain/NAME, address/NAME, or in two words",
        autocompletion=resources,
    ),
]


@app.command()
def stop(
    target: TargetArgument,
    reason: ReasonOption,
    of: TenantOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Stop mail at once. Mail stays queued until `penguin start`."""
    wanted = request(target, of)
    stopped = connect().post("/stop", StopView, wanted | {"reason": reason})
    print_result(f"{target_of(wanted['scope'], wanted.get('name'))} stopped", stopped, output)


def request(target: Sequence[str], of: str | None) -> dict[str, str]:
    """Return the target as fields of the API's stop and start requests."""
    if list(target) == [PLATFORM]:
        return {"scope": PLATFORM}
    if target[0] == PLATFORM:
        raise USAGE(mistake="the platform has no name", remedy="give `platform` alone")
    wanted = named(target)
    if wanted.kind not in KINDS:
        raise USAGE(
            mistake=f"mail of a {wanted.kind.name} cannot be stopped",
            remedy="use platform, tenant, domain or address",
        )
    tenant = tenant_option(of) if wanted.kind is ADDRESS else None
    return {"scope": wanted.kind.name, "name": str(wanted.name)} | (
        {"tenant": tenant} if tenant else {}
    )


def target_of(scope: str, name: str | None) -> str:
    """Return a target in one word: `platform`, `domain/acme.example`."""
    return f"{scope}/{name}" if name else scope


def stop_line(stop: StopView | Stop) -> str:
    """Return a stop in one line: target, reason, key, start."""
    what = target_of(stop.scope, stop.name)
    return f"{what}: {stop.reason} (by key {stop.actor}, since {moment(stop.since)})"
