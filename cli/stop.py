"""`penguin stop`: stop outgoing mail of the platform, a tenant, or a part of its mail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from cli.api import connect
from cli.completing import resources
from cli.faults import USAGE
from cli.kinds import ADDRESS, DOMAIN, MAILBOX, TENANT
from cli.names import TenantOption, named, tenant_option
from cli.output import Format, OutputOption, print_result
from cli.pause import ReasonOption
from cli.times import moment
from controlplane.stops.schemas import StopView
from sender.schemas import Stop, StopScope

app = typer.Typer()
PLATFORM = "platform"
KINDS = (TENANT, DOMAIN, MAILBOX, ADDRESS)
LABELS = (StopScope.CAMPAIGN, StopScope.QUEUE, StopScope.PROVIDER)
"""What messages have in common, which is no resource."""
TargetArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="TARGET",
        help="platform, or a tenant, domain, mailbox, campaign, queue (high, normal, low), "
        "provider or address: as tenant/NAME, or in two words",
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
    tenant = tenant_option(of)
    if list(target) == [PLATFORM]:
        wanted = {"scope": PLATFORM}
    elif target[0] == PLATFORM:
        raise USAGE(mistake="the platform has no name", remedy="give `platform` alone")
    else:
        scope, name = _label(target) or _resource(target)
        wanted = {"scope": scope, "name": name}
    return wanted | ({"tenant": tenant} if tenant else {})


def _label(target: Sequence[str]) -> tuple[str, str] | None:
    """Return a campaign, queue or provider; None for any other target."""
    word, slash, rest = target[0].partition("/")
    if word not in LABELS:
        return None
    names = [*([rest] if slash else []), *target[1:]]
    if len(names) != 1 or not names[0].strip():
        raise USAGE(mistake=f"the name of one {word} is needed", remedy=f"use {word}/NAME")
    return word, names[0]


def _resource(target: Sequence[str]) -> tuple[str, str]:
    wanted = named(target)
    if wanted.kind not in KINDS:
        raise USAGE(
            mistake=f"mail of a {wanted.kind.name} cannot be stopped",
            remedy=f"use one of: {', '.join(StopScope)}",
        )
    return wanted.kind.name, str(wanted.name)


def target_of(scope: str, name: str | None) -> str:
    """Return a target in one word: `platform`, `domain/acme.example`."""
    return f"{scope}/{name}" if name else scope


def stop_line(stop: StopView | Stop) -> str:
    """Return a stop in one line: target, reason, key, start."""
    what = target_of(stop.scope, stop.name)
    return f"{what}: {stop.reason} (by key {stop.actor}, since {moment(stop.since)})"
