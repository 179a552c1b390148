"""`penguin servers`: the embedded PostgreSQL and Valkey."""

from __future__ import annotations

import typer

from cli.output import Format, OutputOption, print_rows
from composition import embedded
from tools.servers import Postgres, Valkey

app = typer.Typer(help="The embedded PostgreSQL and Valkey.", no_args_is_help=True)


@app.command()
def up(output: OutputOption = Format.TABLE) -> None:
    """Start both, unless they run."""
    for _, server in _servers():
        server.start()
    status(output)


@app.command()
def down(output: OutputOption = Format.TABLE) -> None:
    """Stop both; their data stays. A running `penguin serve` starts its own again."""
    for _, server in _servers():
        server.stop()
    status(output)


@app.command()
def status(output: OutputOption = Format.TABLE) -> None:
    """Show which run, and where."""
    rows = []
    for name, server in _servers():
        pid = server.pid()
        state = "stopped" if pid is None else "healthy" if server.is_healthy() else "unhealthy"
        rows.append(
            {
                "name": name,
                "state": state,
                "pid": pid,
                "address": server.address if pid else None,
                "data": str(server.directory),
            }
        )
    print_rows(rows, ("name", "state", "pid", "address", "data"), output)


def _servers() -> tuple[tuple[str, Postgres | Valkey], ...]:
    postgres, valkey = embedded.servers()
    return ("postgresql", postgres), ("valkey", valkey)
