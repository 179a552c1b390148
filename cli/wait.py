"""`penguin wait`: wait until a condition of a tenant is True."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, TextIO

import typer

from cli.api import Api, connect, tenant_path
from cli.conditions import Types, of_subject, read_types, sentence
from cli.environment import environment
from cli.faults import UNREACHABLE, USAGE, WAIT_STALLED, WAIT_TIMEOUT, WAIT_UNSUPPORTED
from cli.names import TenantArgument, tenant_name
from cli.output import Format, OutputOption, print_result, progress_stream
from cli.progress import ProgressLine
from cli.terminal import on_terminal, printable, wrapped
from cli.times import seconds
from controlplane.faults import NOT_FOUND
from controlplane.tenants.schemas import ConditionView, TenantView
from kit.faults import Fault

app = typer.Typer()
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 1.0
"""Seconds between two requests: most waits last for minutes, and each request costs the API."""
NOT_YET_REPORTED = "NotYetReported"
DELETION = "its deletion"
UNSUPPORTED = {"HostsUnavailable", "Paused"}
"""Reasons of an Unknown condition that waiting does not change."""


@app.command()
def wait(
    tenant: TenantArgument,
    for_: Annotated[str, typer.Option("--for", help="condition=TYPE, or delete")] = (
        "condition=Ready"
    ),
    timeout: Annotated[str, typer.Option(help="as 300s or 5m")] = "300s",
    output: OutputOption = Format.TABLE,
) -> None:
    """Wait until a condition of a tenant is True, or until the tenant is gone."""
    name = tenant_name(tenant)
    limit = seconds(timeout)
    api = connect()
    if for_ == "delete":
        for_deletion(api, name, limit, output)
        result = {"kind": "tenant", "name": name, "outcome": "deleted"}
        print_result(f"tenant/{name} deleted", result, output)
        return
    what, _, condition = for_.partition("=")
    types = read_types(api).order
    wanted = {type_.lower(): type_ for type_ in types}.get(condition.lower().removesuffix("=true"))
    if what != "condition" or wanted is None:
        raise USAGE(
            mistake=f"--for={for_} is not a condition",
            remedy=f"use delete, or condition= with one of {', '.join(types)}",
        )
    met = for_condition(api, name, wanted, limit, output)
    print_result(f"tenant/{name} condition met: {wanted}", met, output)


def for_condition(
    api: Api, name: str, wanted: str, limit: float, output: Format = Format.TABLE
) -> TenantView:
    """Return the tenant when the condition is True for its current generation.

    Raises `wait.timeout`; `wait.stalled` when a person has to act first; `wait.unsupported` when
    it cannot come true in this installation.
    """
    reason = ""
    with Changes(progress_stream(output), name, wanted, read_types(api)) as changes:
        for tenant in _observed(api, name, limit):
            condition = _current(tenant, wanted)
            if condition is not None and condition.status == "True":
                changes.end(tenant)
                return tenant
            changes.show(tenant)
            _require_progress(tenant, wanted)
            if condition and condition.status == "Unknown" and condition.reason in UNSUPPORTED:
                raise WAIT_UNSUPPORTED(
                    wanted=wanted, reason=sentence(condition), where=f"tenant {name}"
                )
            reason = _reason(tenant, wanted)
    raise _timeout(name, wanted, reason, limit)


def for_deletion(api: Api, name: str, limit: float, output: Format = Format.TABLE) -> None:
    """Return when the tenant is gone; raises as `for_condition` does."""
    reason = ""
    try:
        with Changes(progress_stream(output), name, DELETION, read_types(api)) as changes:
            for tenant in _observed(api, name, limit):
                changes.show(tenant)
                if tenant.deleting:
                    _require_progress(tenant, DELETION)
                reason = _reason(tenant, "Reconciling")
    except Fault as fault:
        if fault.code.name != NOT_FOUND.name:
            raise
        return
    raise _timeout(name, DELETION, reason, limit)


def _observed(api: Api, name: str, limit: float) -> Iterator[TenantView]:
    """Yield the tenant repeatedly until the time limit; a restart of the API is tolerated."""
    started, pause = time.monotonic(), FIRST_PAUSE
    yield api.get(tenant_path(name), TenantView)
    while time.monotonic() - started < limit:
        environment().sleep(pause)
        pause = min(1.25 * pause, LONGEST_PAUSE)
        try:
            tenant = api.get(tenant_path(name), TenantView)
        except Fault as fault:
            if fault.code is not UNREACHABLE or time.monotonic() - started >= limit:
                raise
        else:
            yield tenant


def _current(tenant: TenantView, type_: str) -> ConditionView | None:
    """Return a condition if it is of the current generation."""
    condition = of_subject(tenant.conditions, "tenant", type_)
    if condition is None or condition.observed_generation < tenant.generation:
        return None
    return condition


def _require_progress(tenant: TenantView, wanted: str) -> None:
    stalled = _current(tenant, "Stalled")
    if wanted != "Stalled" and stalled is not None and stalled.status == "True":
        name = tenant.name
        raise WAIT_STALLED(
            wanted=wanted, name=name, reason=sentence(stalled), where=f"tenant {name}"
        )


def _reason(tenant: TenantView, wanted: str) -> str:
    """Return why a condition is not True."""
    condition = _current(tenant, wanted)
    if condition is not None:
        return sentence(condition)
    generation = tenant.generation
    return f"no reconcile pass of generation {generation} yet; is a reconciler running?"


def _timeout(name: str, wanted: str, reason: str, limit: float) -> Fault:
    return WAIT_TIMEOUT(
        wanted=wanted, seconds=f"{limit:g}", reason=reason, name=name, where=f"tenant {name}"
    )


class Changes:
    """Prints each condition of the tenant, and Ready of its parts, when it changes.

    The first observation is printed as a summary. Between changes one line shows the current step.
    """

    def __init__(self, stream: TextIO, name: str, wanted: str, types: Types) -> None:
        self._types = types
        self._stream = stream
        self._name = name
        self._wanted = wanted
        self._line = ProgressLine("waiting", log_steps=False)
        self._started = time.monotonic()
        self._seen: dict[tuple[str, str], tuple[str, str]] | None = None

    def __enter__(self) -> Changes:
        """Start."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the progress line."""
        self._line.clear()

    def show(self, tenant: TenantView) -> None:
        """Print a summary, or what changed since the last observation, oldest first."""
        if self._seen is None:
            self._begin(tenant)
        else:
            self._print_changes(tenant)
        self._line.update(_current_step(tenant, self._types.steps))

    def end(self, tenant: TenantView) -> None:
        """Print the last changes; nothing when the condition was True from the start."""
        if self._seen is not None:
            self._print_changes(tenant)

    def _begin(self, tenant: TenantView) -> None:
        self._seen = {}
        for condition in tenant.conditions:
            self._has_changed(condition)
        now = datetime.now().astimezone()
        self._write(f"{now:%Y-%m-%d %H:%M:%S}  tenant/{self._name}: waiting for {self._wanted}")
        already_true = [
            t for t in self._types.steps if _is_true(of_subject(tenant.conditions, "tenant", t))
        ]
        if already_true:
            self._write(wrapped(", ".join(already_true), first="  true already: "))

    def _print_changes(self, tenant: TenantView) -> None:
        changed = [condition for condition in tenant.conditions if self._has_changed(condition)]
        for condition in sorted(changed, key=lambda c: c.last_transition_at):
            self._print(condition)

    def _has_changed(self, condition: ConditionView) -> bool:
        """Tell whether a status changed, or the reason of one that is False."""
        assert self._seen is not None  # noqa: S101 - set by the first observation
        subject, type_, status = condition.subject, condition.type, condition.status
        if subject != "tenant" and type_ != "Ready":
            return False
        is_flag = type_ in self._types.flags
        usual = "False" if is_flag else "Unknown"
        before, reason = self._seen.get((subject, type_), (usual, ""))
        self._seen[subject, type_] = (status, condition.reason)
        if is_flag:
            return before != "True" and status == "True"
        return status != before or (status == "False" and condition.reason != reason)

    def _print(self, condition: ConditionView) -> None:
        elapsed = f"{time.monotonic() - self._started:7.1f} s  {self._types.mark(condition)} "
        subject = "" if condition.subject == "tenant" else f"{condition.subject} "
        what = f"{subject}{condition.type}"
        about = self._types.text(condition)
        text = f"{what}: {about}" if about else what
        self._write(on_terminal(text, first=elapsed, stream=self._stream))

    def _write(self, text: str) -> None:
        self._line.clear()
        print(text, file=self._stream, flush=True)


def _current_step(tenant: TenantView, types: Sequence[str]) -> str:
    """Return the next condition that has to become True, with its reason."""
    conditions = tenant.conditions
    steps = [type_ for type_ in types if not _is_true(of_subject(conditions, "tenant", type_))]
    type_ = "Deleting" if tenant.deleting else next(iter(steps), "Ready")
    condition = of_subject(conditions, "tenant", type_)
    is_reported = condition is not None and condition.reason != NOT_YET_REPORTED
    about = sentence(condition) if condition and is_reported else ""
    return printable(f"{type_} {about}".rstrip())


def _is_true(condition: ConditionView | None) -> bool:
    return condition is not None and condition.status == "True"
