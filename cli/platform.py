"""`penguin platform`: what all hosts have in common: the images that they run."""

from __future__ import annotations

import sys
from typing import Annotated, Any, TextIO

import typer

from cli.api import connect
from cli.bulk import YesOption
from cli.consent import require_consent
from cli.output import Format, OutputOption, plain, print_result, print_rows, progress_stream
from cli.table import Table
from cli.terminal import terminal_width
from cli.times import moment
from controlplane.images.schemas import Outcome, PinnedImages, PinResult

app = typer.Typer(help="What all hosts have in common, for operators.", no_args_is_help=True)
images_app = typer.Typer(help="Container images of hosts.", invoke_without_command=True)
app.add_typer(images_app, name="images")

PATH = "/platform/images"
COLUMNS = ("service", "image", "tag", "digest", "pinned", "actor")
CHANGES = ("service", "image", "old", "new")
SHORT = len("sha256:") + 12
"""Characters of a digest that a table shows."""


@images_app.callback()
def images(context: typer.Context, output: OutputOption = Format.TABLE) -> None:
    """List the images that hosts run, who pinned them and when."""
    if context.invoked_subcommand is not None:
        return
    items = connect().get(PATH, PinnedImages).items
    table = [
        {
            "service": item.service,
            "image": item.image,
            "tag": item.tag,
            "digest": item.digest[:SHORT],
            "pinned": moment(item.pinned_at),
            "actor": item.pinned_by,
        }
        for item in items
    ]
    print_rows(table if output is Format.TABLE else plain(items), COLUMNS, output)


@images_app.command()
def pin(
    version: Annotated[str, typer.Argument(help="released version of Mailu: 2024.06.57")],
    yes: YesOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Read the digests of a version from the registry, show them, and pin all of them."""
    api = connect()
    body: dict[str, Any] = {"version": version}
    if not yes:
        found = api.post(PATH, PinResult, body | {"dry_run": True})
        _show(found, progress_stream(output))
        command = f"penguin platform images pin {version}"
        require_consent(f"Pin these images of Mailu {version}?", command)
        body |= {"shown": {change.service: change.digest for change in found.images}}
    done = api.post(PATH, PinResult, body)
    if yes and output is Format.TABLE:
        _show(done, sys.stdout)
    unchanged = f"unchanged: the images of Mailu {version} are pinned already"
    pinned = f"the images of Mailu {version} are pinned"
    print_result(unchanged if done.outcome is Outcome.UNCHANGED else pinned, done, output)


def _show(found: PinResult, stream: TextIO) -> None:
    """Print each image before and after."""
    rows = [
        {
            "service": change.service,
            "image": change.image,
            "old": _digest(change.old_tag, change.old_digest),
            "new": _digest(change.tag, change.digest),
        }
        for change in found.images
    ]
    print("\n".join(Table(CHANGES, rows, terminal_width()).lines), file=stream, flush=True)


def _digest(tag: str | None, digest: str | None) -> str:
    return f"{tag} {digest[:SHORT]}" if digest else "(none)"
