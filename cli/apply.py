"""`penguin apply`: makes the tenants of files so."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import files, wait
from cli.api import Api, connect
from cli.output import Format, OutputOption, print_document

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
    api = connect()
    tenants = files.read(filename)
    results: list[dict[str, Any]] = []
    for tenant in tenants:
        name, outcome = tenant.metadata.name, _apply(api, files.plain(tenant))
        results.append({"kind": "tenant", "name": name, "outcome": outcome})
        if output is Format.TABLE:
            print(f"tenant/{name} {outcome}", flush=True)
    if output is not Format.TABLE:
        print_document(results, output)
    if until_ready:
        for tenant in tenants:
            wait.for_condition(api, tenant.metadata.name, "Ready", wait.seconds(timeout))


def _apply(api: Api, document: dict[str, Any]) -> str:
    path = f"/tenants/{document['metadata']['name']}"
    if api.find(path) is None:
        answer = api.send("POST", "/tenants", document)
    else:
        answer = api.send("PUT", path, document)
    return str(answer.headers.get("Penguin-Outcome", "configured"))
