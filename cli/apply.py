"""`penguin apply`: create tenants or change them to what files say."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from blueprint.faults import invalid
from cli import files, wait
from cli.api import Api, connect, tenant_path
from cli.conditions import of_subject, sentence
from cli.faults import UNREACHABLE
from cli.output import Format, OutputOption, print_document, voice
from cli.terminal import wrapped
from cli.times import seconds
from kit.faults import Fault, Violation

app = typer.Typer()
FilesOption = Annotated[
    list[str], typer.Option("--filename", "-f", help="file, folder, or - for standard input")
]


@app.command()
def apply(
    filename: FilesOption,
    until_ready: Annotated[bool, typer.Option("--wait", help="wait until they are Ready")] = False,
    timeout: Annotated[str, typer.Option(help="for --wait, as 300s or 5m")] = "300s",
    output: OutputOption = Format.TABLE,
) -> None:
    """Create tenants or change them to what the files say."""
    limit = seconds(timeout)
    sources = files.read(filename)
    api = connect()
    results: list[dict[str, Any]] = []
    violations: list[Violation] = []
    for source in sources:
        try:
            outcome, tenant = _apply(api, source)
        except Fault as fault:
            if fault.code is UNREACHABLE:
                raise  # nor would the next one arrive
            violations += [_in_file(each, source) for each in files.as_violations(fault)]
            continue
        results.append({"kind": "tenant", "name": source.name, "outcome": outcome})
        if output is Format.TABLE:
            print(_result(source.name, outcome, tenant), flush=True)
    if output is not Format.TABLE:
        print_document(results, output)
    if violations:
        raise invalid(violations)
    for source in sources if until_ready else ():
        wait.for_condition(api, source.name, "Ready", limit, output)
        print(f"tenant/{source.name} condition met: Ready", file=voice(output))


def _apply(api: Api, source: files.Source) -> tuple[str, dict[str, Any]]:
    """Write one document; return created, configured or unchanged, and the tenant."""
    answer = api.send("PUT", tenant_path(source.name), files.plain(source.tenant))
    return str(answer.headers["Penguin-Outcome"]), answer.json()


def _result(name: str, outcome: str, tenant: dict[str, Any]) -> str:
    """Say what was done; that nothing had to be changed does not mean that all is well."""
    line = f"tenant/{name} {outcome}"
    ready = of_subject(tenant["conditions"], "tenant", "Ready")
    if outcome != "unchanged" or (ready is not None and ready["status"] == "True"):
        return line
    reason = sentence(ready) if ready is not None else "no reconcile pass has run yet"
    return f"{line}, but not Ready; another reconcile pass is requested\n" + wrapped(
        reason, first="  "
    )


def _in_file(violation: Violation, source: files.Source) -> Violation:
    """Name the file beside the key that the API found wrong in it."""
    key = "" if violation.path.startswith("/") else violation.path
    return Violation(
        violation.code,
        violation.message,
        violation.remedy,
        path=key,
        file=source.file,
        suggestion=violation.suggestion,
    )
