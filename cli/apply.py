"""`penguin apply`: create or update tenants from files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from blueprint.loading import Source
from cli import files, wait
from cli.api import Api, connect
from cli.conditions import of_subject, sentence
from cli.consent import DestroyMailOption, destroying
from cli.delete import ForgetOption, forget
from cli.dry_run import DryRun, on_client, on_server
from cli.exporting import export
from cli.faults import USAGE
from cli.output import Format, OutputOption, print_document, progress_stream
from cli.terminal import wrapped
from cli.times import seconds
from controlplane.tenants.schemas import TenantView

app = typer.Typer()
FilesOption = Annotated[
    list[str], typer.Option("--filename", "-f", help="file, directory, or - for standard input")
]


@app.command()
def apply(
    filename: FilesOption,
    until_ready: Annotated[bool, typer.Option("--wait", help="wait until they are Ready")] = False,
    timeout: Annotated[str, typer.Option(help="for --wait, as 300s or 5m")] = "300s",
    dry_run: Annotated[
        DryRun,
        typer.Option(
            help="store nothing. client: validate and render here; server: by the control plane, "
            "which also checks the plan, and that domains are free"
        ),
    ] = DryRun.NONE,
    forget_zone: ForgetOption = None,
    yes_destroy_mail: DestroyMailOption = False,
    discard: Annotated[
        int | None,
        typer.Option(
            min=0, help="agree that as many mails, and no more, are destroyed with Mailu of a host"
        ),
    ] = None,
    export_to: Annotated[
        Path | None,
        typer.Option(
            "--export", help="first copy the mail of hosts that lose Mailu to this new directory"
        ),
    ] = None,
    recursive: Annotated[  # noqa: ARG001 - a habit from kubectl
        bool, typer.Option("--recursive", "-R", help="always so: directories are read in depth")
    ] = True,
    output: OutputOption = Format.TABLE,
) -> None:
    """Create or update tenants from files."""
    limit = seconds(timeout)
    if until_ready and dry_run is not DryRun.NONE:
        raise USAGE(mistake="a dry run changes nothing to wait for", remedy="leave out --wait")
    if export_to is not None and dry_run is not DryRun.NONE:
        raise USAGE(mistake="a dry run copies no mail", remedy="leave out --export")
    sources = files.read(filename)
    if dry_run is DryRun.CLIENT:
        _apply_each(sources, on_client, output)
        return
    api = connect()
    if dry_run is DryRun.SERVER:
        _apply_each(sources, partial(on_server, api), output)
        return
    if export_to is not None and (len(sources) != 1 or discard is not None):
        raise USAGE(
            mistake="--export copies the mail of one tenant, and discards what it has copied",
            remedy="name a file with a single tenant, and leave out --discard",
        )
    may_destroy = destroying(agreed=yes_destroy_mail, mails=discard)
    do = partial(_apply, api, forget_zone, may_destroy)
    if export_to is not None:
        do = partial(_export_and_apply, api, export_to, output, do)
    _apply_each(sources, do, output)
    for source in sources if until_ready else ():
        wait.for_condition(api, source.name, "Ready", limit, output)
        print(f"tenant/{source.name} condition met: Ready", file=progress_stream(output))


def _apply(
    api: Api,
    forgotten: list[str] | None,
    may_destroy: Mapping[str, int],
    source: Source,
    **exported: int,
) -> tuple[str, str]:
    """Apply a document; return the outcome, and the line that tells it."""
    outcome, tenant = api.apply(source.tenant, **may_destroy, **exported)
    forget(api, source.name, forgotten)
    return outcome, _result(source.name, outcome, tenant)


def _export_and_apply(
    api: Api,
    directory: Path,
    output: Format,
    do: Callable[..., tuple[str, str]],
    source: Source,
) -> tuple[str, str]:
    """Copy what the document destroys, then apply it; what comes in between is not destroyed."""
    mails = export(api, source, directory)
    if mails is None:
        return do(source)
    print(f"{mails} mail(s) copied to {directory}", file=progress_stream(output), flush=True)
    return do(source, discard=mails)


def _apply_each(
    sources: Sequence[Source], do: Callable[[Source], tuple[str, str]], output: Format
) -> None:
    """Do something with each document, and print the outcomes, also where one is refused."""
    results: list[dict[str, str]] = []
    try:
        for name, outcome, line in files.each(sources, lambda source: (source.name, *do(source))):
            results.append({"kind": "tenant", "name": name, "outcome": outcome})
            if output is Format.TABLE:
                print(line, flush=True)
    finally:
        if output is not Format.TABLE:
            print_document(results, output)


def _result(name: str, outcome: str, tenant: TenantView) -> str:
    """Return the outcome; of an unchanged tenant that is not Ready also the reason."""
    line = f"tenant/{name} {outcome}"
    ready = of_subject(tenant.conditions, "tenant", "Ready")
    if outcome != "unchanged" or (ready is not None and ready.status == "True"):
        return line
    reason = sentence(ready) if ready is not None else "no reconcile pass has run yet"
    return f"{line}, but not Ready; another reconcile pass is requested\n" + wrapped(
        reason, first="  "
    )
