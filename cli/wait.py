"""`penguin wait`: watch a tenant's conditions until one holds."""

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
from cli.output import Format, OutputOption, print_result, voice
from cli.progress import ProgressLine
from cli.terminal import on_terminal, printable, wrapped
from cli.times import seconds
from controlplane.tenants.schemas import ConditionView, TenantView
from kit.faults import Fault

app = typer.Typer()
POLL = 0.25
GONE = "tenant.not_found"
NOT_YET_REPORTED = "NotYetReported"
DELETION = "its deletion"
UNSUPPORTED = {"HostsUnavailable", "Paused"}
"""Reasons of an Unknown condition that no waiting changes."""


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
        gone = {"kind": "tenant", "name": name, "outcome": "deleted"}
        print_result(f"tenant/{name} deleted", gone, output)
        return
    what, _, wanted = for_.partition("=")
    known = read_types(api).order
    if what != "condition" or wanted not in known:
        raise USAGE(
            mistake=f"--for={for_} is not known",
            remedy=f"use delete, or condition= with one of {', '.join(known)}",
        )
    found = for_condition(api, name, wanted, limit, output)
    print_result(f"tenant/{name} condition met: {wanted}", found, output)


def for_condition(
    api: Api, name: str, wanted: str, limit: float, output: Format = Format.TABLE
) -> TenantView:
    """Return the tenant when the condition is True for its current generation.

    Raises `wait.timeout`; `wait.stalled` when somebody has to act first; `wait.unsupported` when
    it cannot come true in this installation.
    """
    reason = ""
    with Changes(voice(output), name, wanted, read_types(api)) as changes:
        for tenant in _looks(api, name, limit):
            found = _current(tenant, wanted)
            if found is not None and found.status == "True":
                changes.end(tenant)
                return tenant
            changes.show(tenant)
            _require_progress(tenant, wanted)
            if found and found.status == "Unknown" and found.reason in UNSUPPORTED:
                raise WAIT_UNSUPPORTED(
                    wanted=wanted, reason=sentence(found), where=f"tenant {name}"
                )
            reason = _reason(tenant, wanted)
    raise _timeout(name, wanted, reason, limit)


def for_deletion(api: Api, name: str, limit: float, output: Format = Format.TABLE) -> None:
    """Return when the tenant is gone; raises as `for_condition` does."""
    reason = ""
    try:
        with Changes(voice(output), name, DELETION, read_types(api)) as changes:
            for tenant in _looks(api, name, limit):
                changes.show(tenant)
                if tenant.deleting:
                    _require_progress(tenant, DELETION)
                reason = _reason(tenant, "Reconciling")
    except Fault as fault:
        if fault.code.name != GONE:
            raise
        return
    raise _timeout(name, DELETION, reason, limit)


def _looks(api: Api, name: str, limit: float) -> Iterator[TenantView]:
    """Yield the tenant again and again until the time is over; a restart of the API is bridged."""
    started = time.monotonic()
    yield api.get(tenant_path(name), TenantView)
    while time.monotonic() - started < limit:
        environment().sleep(POLL)
        try:
            tenant = api.get(tenant_path(name), TenantView)
        except Fault as fault:
            if fault.code is not UNREACHABLE or time.monotonic() - started >= limit:
                raise
        else:
            yield tenant


def _current(tenant: TenantView, type_: str) -> ConditionView | None:
    """Return a condition if it speaks of the current generation."""
    found = of_subject(tenant.conditions, "tenant", type_)
    if found is None or found.observed_generation < tenant.generation:
        return None
    return found


def _require_progress(tenant: TenantView, wanted: str) -> None:
    stalled = _current(tenant, "Stalled")
    if wanted != "Stalled" and stalled is not None and stalled.status == "True":
        name = tenant.name
        raise WAIT_STALLED(
            wanted=wanted, name=name, reason=sentence(stalled), where=f"tenant {name}"
        )


def _reason(tenant: TenantView, wanted: str) -> str:
    """Say why a condition does not hold."""
    found = _current(tenant, wanted)
    if found is not None:
        return sentence(found)
    generation = tenant.generation
    return f"no reconcile pass of generation {generation} yet; does a reconciler run?"


def _timeout(name: str, wanted: str, reason: str, limit: float) -> Fault:
    return WAIT_TIMEOUT(
        wanted=wanted, seconds=f"{limit:g}", reason=reason, name=name, where=f"tenant {name}"
    )


class Changes:
    """Prints each condition of the tenant, and Ready of its parts, the moment it changes.

    The first look only says where things stand. In between one line says what is being done.
    """

    def __init__(self, stream: TextIO, name: str, wanted: str, types: Types) -> None:
        self._types = types
        self._stream = stream
        self._name = name
        self._wanted = wanted
        self._line = ProgressLine("waiting", steps_are_news=False)
        self._started = time.monotonic()
        self._seen: dict[tuple[str, str], tuple[str, str]] | None = None

    def __enter__(self) -> Changes:
        """Start."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave only what changed."""
        self._line.clear()

    def show(self, tenant: TenantView) -> None:
        """Print where things stand, or what changed since the last look, oldest first."""
        if self._seen is None:
            self._begin(tenant)
        else:
            self._print_changes(tenant)
        self._line.say(_doing(tenant, self._types.steps))

    def end(self, tenant: TenantView) -> None:
        """Print the last changes; a condition that held from the start needs no words."""
        if self._seen is not None:
            self._print_changes(tenant)

    def _begin(self, tenant: TenantView) -> None:
        self._seen = {}
        for condition in tenant.conditions:
            self._is_news(condition)
        now = datetime.now().astimezone()
        self._say(f"{now:%Y-%m-%d %H:%M:%S}  tenant/{self._name}: waiting for {self._wanted}")
        holding = [
            t for t in self._types.steps if _is_true(of_subject(tenant.conditions, "tenant", t))
        ]
        if holding:
            self._say(wrapped(", ".join(holding), first="  true already: "))

    def _print_changes(self, tenant: TenantView) -> None:
        news = [condition for condition in tenant.conditions if self._is_news(condition)]
        for condition in sorted(news, key=lambda c: c.last_transition_at):
            self._print(condition)

    def _is_news(self, condition: ConditionView) -> bool:
        """Tell whether a status moved, or something that is wrong has got another reason."""
        assert self._seen is not None  # noqa: S101 - set by the first look
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
        known = self._types.text(condition)
        text = f"{what}: {known}" if known else what
        self._say(on_terminal(text, first=elapsed, stream=self._stream))

    def _say(self, text: str) -> None:
        self._line.clear()
        print(text, file=self._stream, flush=True)


def _doing(tenant: TenantView, types: Sequence[str]) -> str:
    """Name the next condition that has to come, with what is known of it."""
    conditions = tenant.conditions
    steps = [type_ for type_ in types if not _is_true(of_subject(conditions, "tenant", type_))]
    type_ = "Deleting" if tenant.deleting else next(iter(steps), "Ready")
    found = of_subject(conditions, "tenant", type_)
    is_known = found is not None and found.reason != NOT_YET_REPORTED
    known = sentence(found) if found and is_known else ""
    return printable(f"{type_} {known}".rstrip())


def _is_true(condition: ConditionView | None) -> bool:
    return condition is not None and condition.status == "True"
