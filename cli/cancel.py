"""`penguin cancel`: end the running operation of a tenant at its next safe point."""

from __future__ import annotations

import typer

from cli.api import connect, tenant_path
from cli.names import TenantArgument, tenant_name
from cli.output import Format, OutputOption, print_result
from cli.pause import ReasonOption
from controlplane.operations.schemas import Cancelled

app = typer.Typer()


@app.command()
def cancel(
    tenant: TenantArgument, reason: ReasonOption, output: OutputOption = Format.TABLE
) -> None:
    """Let what runs for a tenant end at its next safe point, and begin nothing else in this pass.

    Calls under way at a provider, and the task that runs on a host, are finished. What is done
    stays. What was aborted is repeated by `penguin retry`, or when the file is applied.
    """
    name = tenant_name(tenant)
    path = f"{tenant_path(name)}/cancel"
    done = connect().post(path, Cancelled, {"reason": reason})
    shown = ", ".join(f"{one.phase} {one.kind}" for one in done.items)
    unchanged = f"unchanged: no operation of tenant/{name} runs"
    line = f"tenant/{name}: {shown} ends at its next safe point" if shown else unchanged
    print_result(line, done, output)
