"""`penguin wait`: watch a tenant's conditions until one holds."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, TextIO

import typer

from cli.api import Api, Unreachable, connect, tenant_path
from cli.errors import CliError, UsageError
from cli.output import Format, OutputOption, print_result, shown, voice
from cli.progress import ProgressLine

app = typer.Typer()
POLL = 0.25
UNITS = {"s": 1, "m": 60, "h": 3600}
GONE = "tenant.not_found"
STEPS = (
    "Ready",
    "InfrastructureReady",
    "DnsReady",
    "HostsConfigured",
    "IdentityReady",
    "Verified",
    "SendingEnabled",
)
"""Conditions that begin as Unknown and should become True."""
FLAGS = ("Reconciling", "Stalled", "Drifted", "Paused", "Deleting")
"""Conditions whose usual status is False."""
RESTING = {"HostsUnavailable", "NoMailServer", "Paused"}
"""Reasons of an Unknown condition that no waiting changes."""
REMEDIES = {
    "wait.timeout": "`penguin describe tenant {name}` and `penguin logs {name}` say more",
    "wait.stalled": "mend the cause and `penguin apply` again; `penguin logs {name}` says more",
    "wait.resting": "wait for a condition that can come true here, such as DnsReady",
}


@app.command()
def wait(
    kind: Annotated[str, typer.Argument(help="tenant")],
    name: Annotated[str, typer.Argument()],
    for_: Annotated[str, typer.Option("--for", help="condition=TYPE, or delete")],
    timeout: Annotated[str, typer.Option(help="as 300s or 5m")] = "300s",
    output: OutputOption = Format.TABLE,
) -> None:
    """Wait until a condition of a tenant is True, or until it is gone."""
    if kind not in ("tenant", "tenants"):
        raise UsageError(f"{kind} cannot be waited for", remedy="use tenant")
    limit = seconds(timeout)
    api = connect()
    if for_ == "delete":
        for_deletion(api, name, limit, output)
        gone = {"kind": "tenant", "name": name, "outcome": "deleted"}
        print_result(f"tenant/{name} deleted", gone, output)
        return
    what, _, wanted = for_.partition("=")
    if what != "condition" or wanted not in (*STEPS, *FLAGS):
        known = ", ".join((*STEPS, *FLAGS))
        raise UsageError(
            f"--for={for_} is not known", remedy=f"use delete, or condition= with one of {known}"
        )
    tenant = for_condition(api, name, wanted, limit, output)
    print_result(f"tenant/{name} condition met: {wanted}", tenant, output)


def for_condition(
    api: Api, name: str, wanted: str, limit: float, output: Format = Format.TABLE
) -> dict[str, Any]:
    """Return the tenant when the condition is True for its current generation.

    Raises `wait.timeout`; `wait.stalled` when somebody has to act first; `wait.resting` when it
    cannot be told on this machine.
    """
    last: dict[str, Any] | None = None
    with Turns(voice(output)) as turns:
        for tenant in _looks(api, name, limit):
            turns.show(tenant)
            found = _current(tenant, wanted)
            if found is not None and found["status"] == "True":
                return tenant
            _require_progress(tenant, wanted)
            if found is not None and found["status"] == "Unknown" and found["reason"] in RESTING:
                raise _ended(name, wanted, found, "wait.resting", "does not come here")
            last = _condition(tenant, wanted)
    raise _ended(name, wanted, last, "wait.timeout", f"did not come in {limit:g} s")


def for_deletion(api: Api, name: str, limit: float, output: Format = Format.TABLE) -> None:
    """Return when the tenant is gone; raises as `for_condition` does."""
    last: dict[str, Any] | None = None
    try:
        with Turns(voice(output)) as turns:
            for tenant in _looks(api, name, limit):
                turns.show(tenant)
                if tenant["deleting"]:
                    _require_progress(tenant, "its end")
                last = _condition(tenant, "Reconciling")
    except CliError as error:
        if error.code != GONE:
            raise
        return
    raise _ended(name, "its end", last, "wait.timeout", f"did not come in {limit:g} s")


def _looks(api: Api, name: str, limit: float) -> Iterator[dict[str, Any]]:
    """Yield the tenant again and again until the time is over; a restart of the API is bridged."""
    started = time.monotonic()
    yield api.get(tenant_path(name))
    while time.monotonic() - started < limit:
        time.sleep(POLL)
        try:
            tenant = api.get(tenant_path(name))
        except Unreachable:
            if time.monotonic() - started >= limit:
                raise
        else:
            yield tenant


def _condition(tenant: dict[str, Any], type_: str) -> dict[str, Any] | None:
    conditions: list[dict[str, Any]] = tenant["conditions"]
    return next((c for c in conditions if (c["subject"], c["type"]) == ("tenant", type_)), None)


def _current(tenant: dict[str, Any], type_: str) -> dict[str, Any] | None:
    """Return a condition if it speaks of the current generation."""
    found = _condition(tenant, type_)
    if found is None or found["observed_generation"] < tenant["generation"]:
        return None
    return found


def _require_progress(tenant: dict[str, Any], wanted: str) -> None:
    stalled = _current(tenant, "Stalled")
    if wanted != "Stalled" and stalled is not None and stalled["status"] == "True":
        raise _ended(
            tenant["name"], wanted, stalled, "wait.stalled", "does not come, it is stalled"
        )


def seconds(text: str) -> float:
    """Read a duration such as 300s, 5m or 1h."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if found is None:
        raise UsageError(f"{text} is not a duration", remedy="write 300s or 5m")
    return float(found[1]) * UNITS[found[2] or "s"]


class Turns:
    """Prints each condition of the tenant, and Ready of its parts, the moment it turns.

    In between one line says what is being done, so that a long step is no silence.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._line = ProgressLine("waiting", steps_are_news=False)
        self._started = time.monotonic()
        self._seen: dict[tuple[str, str], tuple[str, str]] = {}

    def __enter__(self) -> Turns:
        """Start."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave only what turned."""
        self._line.clear()

    def show(self, tenant: dict[str, Any]) -> None:
        """Print what turned since the last look, oldest first."""
        turned = [condition for condition in tenant["conditions"] if self._is_news(condition)]
        for condition in sorted(turned, key=lambda c: str(c["last_transition_at"])):
            self._print(condition)
        self._line.say(_doing(tenant))

    def _is_news(self, condition: dict[str, Any]) -> bool:
        """Tell whether a status moved, or something that is wrong has got another reason."""
        subject, type_ = condition["subject"], condition["type"]
        if subject != "tenant" and type_ != "Ready":
            return False
        usual = "False" if type_ in FLAGS else "Unknown"
        status, reason = self._seen.get((subject, type_), (usual, ""))
        self._seen[subject, type_] = (condition["status"], condition["reason"])
        if condition["status"] != status:
            return True
        is_wrong = condition["status"] == "False" and type_ not in FLAGS
        return is_wrong and condition["reason"] != reason

    def _print(self, condition: dict[str, Any]) -> None:
        at = datetime.fromisoformat(condition["last_transition_at"]).astimezone()
        elapsed = time.monotonic() - self._started
        what = f"{condition['subject']:<24} {condition['type']:<20} {condition['status']:<7}"
        message = condition["message"].splitlines()[0] if condition["message"] else ""
        line = f"{at:%H:%M:%S} {elapsed:6.1f} s  {what} {condition['reason']}  {shown(message)}"
        self._line.clear()
        print(line.rstrip(), file=self._stream, flush=True)


def _doing(tenant: dict[str, Any]) -> str:
    """Name the next condition that has to come, with what is known of it."""
    steps = [type_ for type_ in STEPS[1:] if not _is_true(_condition(tenant, type_))]
    type_ = "Deleting" if tenant["deleting"] else next(iter(steps), "Ready")
    found = _condition(tenant, type_)
    said = f"{found['reason']} {found['message']}" if found is not None else ""
    return shown(f"{type_} {said}".splitlines()[0].rstrip())


def _is_true(condition: dict[str, Any] | None) -> bool:
    return condition is not None and condition["status"] == "True"


def _ended(
    name: str, wanted: str, condition: dict[str, Any] | None, code: str, why: str
) -> CliError:
    reason = "nobody has visited it yet; does a reconciler run?"
    if condition is not None:
        reason = f"{condition['reason']}: {condition['message']}".removesuffix(": ")
    return CliError(
        code,
        f"{wanted} {why} ({reason})",
        where=f"tenant {name}",
        remedy=REMEDIES[code].format(name=name),
    )
