"""`penguin apply`: create tenants or change them to what files say."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

import typer

from cli import files, wait
from cli.api import Api, Unreachable, connect, tenant_path
from cli.errors import CliError, CliErrorGroup
from cli.output import Format, OutputOption, print_document, voice

app = typer.Typer()
FilesOption = Annotated[
    list[str], typer.Option("--filename", "-f", help="file, folder, or - for standard input")
]


@app.command()
def apply(
    filename: FilesOption,
    until_ready: Annotated[bool, typer.Option("--wait", help="until they are Ready")] = False,
    timeout: Annotated[str, typer.Option(help="for --wait, as 300s or 5m")] = "300s",
    output: OutputOption = Format.TABLE,
) -> None:
    """Create tenants or change them to what the files say."""
    limit = wait.seconds(timeout)
    sources = files.read(filename)
    api = connect()
    results: list[dict[str, Any]] = []
    errors: list[CliError] = []
    for source in sources:
        try:
            outcome = _apply(api, source)
        except Unreachable:
            raise  # nor would the next one arrive
        except CliError as error:
            errors.append(_in_file(error, source))
            continue
        except CliErrorGroup as several:
            errors += [_in_file(error, source) for error in several.errors]
            continue
        results.append({"kind": "tenant", "name": source.name, "outcome": outcome})
        if output is Format.TABLE:
            print(f"tenant/{source.name} {outcome}", flush=True)
    if output is not Format.TABLE:
        print_document(results, output)
    if errors:
        raise CliErrorGroup(errors)
    for source in sources if until_ready else ():
        wait.for_condition(api, source.name, "Ready", limit, output)
        print(f"tenant/{source.name} condition met: Ready", file=voice(output))


def _apply(api: Api, source: files.Source) -> str:
    """Write one document and return what that did: created, configured or unchanged."""
    document = files.plain(source.tenant)
    if api.find(tenant_path(source.name)) is None:
        answer = api.send("POST", "/tenants", document, **{"Idempotency-Key": str(uuid4())})
    else:
        answer = api.send("PUT", tenant_path(source.name), document)
    return str(answer.headers.get("Penguin-Outcome", "configured"))


def _in_file(error: CliError, source: files.Source) -> CliError:
    """Name the file beside the key that the API found wrong in it."""
    key = error.where if error.where and not error.where.startswith("/") else ""
    where = f"{source.file} {key}".strip()
    return CliError(error.code, str(error), where=where, remedy=error.remedy)
