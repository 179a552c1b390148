"""`penguin wait`: shows the conditions of a tenant as they turn, until the wanted one holds."""

from __future__ import annotations

import re
import time
from typing import Annotated, Any

import typer

from cli.api import Api, connect
from cli.errors import CliError

app = typer.Typer()
POLL = 0.25
UNITS = {"s": 1, "m": 60, "h": 3600}


@app.command()
def wait(
    kind: Annotated[str, typer.Argument(help="tenant")],
    name: Annotated[str, typer.Argument()],
    for_: Annotated[str, typer.Option("--for", help="condition=TYPE, or delete")],
    timeout: Annotated[str, typer.Option(help="as 300s or 5m")] = "300s",
) -> None:
    """Wait until a condition of a tenant is True, or until it is gone."""
    if kind not in ("tenant", "tenants"):
        raise CliError("usage", f"{kind} cannot be waited for", remedy="use tenant", status=2)
    api = connect()
    if for_ == "delete":
        for_deletion(api, name, seconds(timeout))
        return
    wanted = re.fullmatch(r"condition=([A-Za-z]+)", for_)
    if wanted is None:
        raise CliError(
            "usage", f"--for={for_} is not known", remedy="use condition=Ready", status=2
        )
    for_condition(api, name, wanted[1], seconds(timeout))


def for_condition(api: Api, name: str, wanted: str, limit: float) -> None:
    """Return when the tenant's condition is True; raises at its end or the tenant's."""
    started = time.monotonic()
    shown: dict[tuple[str, str], str] = {}
    while True:
        tenant = api.get(f"/tenants/{name}")
        conditions = {c["type"]: c for c in tenant["conditions"] if c["subject"] == "tenant"}
        for condition in tenant["conditions"]:
            _show(condition, shown, time.monotonic() - started)
        found = conditions.get(wanted)
        current = tenant["observed_generation"] == tenant["generation"]
        if found and found["status"] == "True" and current:
            print(f"tenant/{name} condition met: {wanted}")
            return
        stalled = conditions.get("Stalled")
        if stalled and stalled["status"] == "True":
            raise _ended(name, wanted, stalled, "is stalled")
        if time.monotonic() - started > limit:
            raise _ended(name, wanted, found, f"did not come in {limit:.0f} s")
        time.sleep(POLL)


def for_deletion(api: Api, name: str, limit: float) -> None:
    """Return when the tenant is gone."""
    started = time.monotonic()
    shown: dict[tuple[str, str], str] = {}
    while (tenant := api.find(f"/tenants/{name}")) is not None:
        for condition in tenant["conditions"]:
            if condition["type"] in ("Deleting", "Stalled"):
                _show(condition, shown, time.monotonic() - started)
        if time.monotonic() - started > limit:
            raise CliError(
                "wait.timeout",
                f"tenant {name} is still there after {limit:.0f} s",
                remedy=f"`penguin describe tenant {name}` says what it waits for",
            )
        time.sleep(POLL)
    print(f"tenant/{name} deleted")


def seconds(text: str) -> float:
    """Read a duration such as 300s, 5m or 1h."""
    found = re.fullmatch(r"(\d+)([smh]?)", text)
    if found is None:
        raise CliError("usage", f"{text} is not a duration", remedy="write 300s or 5m", status=2)
    return float(found[1]) * UNITS[found[2] or "s"]


def _show(condition: dict[str, Any], shown: dict[tuple[str, str], str], elapsed: float) -> None:
    """Print a condition that has turned since the last look."""
    key = (condition["subject"], condition["type"])
    now = f"{condition['status']} {condition['reason']}"
    if shown.get(key) == now or (key not in shown and condition["status"] == "Unknown"):
        shown.setdefault(key, now)
        return
    shown[key] = now
    message = condition["message"].splitlines()[0] if condition["message"] else ""
    line = f"{elapsed:6.1f} s  {key[0]:<28} {key[1]:<20} {now}"
    print(f"{line}  {message}".rstrip(), flush=True)


def _ended(name: str, wanted: str, condition: dict[str, Any] | None, why: str) -> CliError:
    reason = f"{condition['reason']}: {condition['message']}" if condition else "not reported yet"
    return CliError(
        "wait.timeout" if "did not come" in why else "wait.stalled",
        f"tenant {name}: {wanted} {why} ({reason})",
        remedy=f"`penguin describe tenant {name}` and `penguin logs {name}` say more",
    )
