"""Changes of mail in bulk: which mail is meant, and requests until all of it is changed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, TypeVar

import typer

from cli.api import connect
from cli.names import tenant_option
from cli.output import Format, print_result
from cli.progress import ProgressLine
from controlplane.queue.schemas.changes import MOST_IDS, Changed

C = TypeVar("C", bound=Changed)
IdsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[ID…]", help="ids of messages; all if left out")
]
CodeOption = Annotated[
    str | None,
    typer.Option("--code", help="only what waits, died or is unknown for this reason: answer_lost"),
]
DomainOption = Annotated[
    str | None, typer.Option("--to-domain", help="only mail to recipients of this domain")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="do not ask")]


def selected(
    ids: Sequence[str] | None, tenant: str | None, code: str | None, domain: str | None
) -> dict[str, Any]:
    """Return a selection as fields of the API's requests."""
    fields = {
        "tenant": tenant_option(tenant),
        "code": code,
        "recipient_domain": domain and domain.lower(),
        "ids": plain_ids(ids) if ids else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def in_words(selection: dict[str, Any]) -> str:
    """Return a selection for a question: ` of tenant acme, to rcpt.example`."""
    parts = [
        f"of tenant {selection['tenant']}" if "tenant" in selection else "",
        f"of {selection['code']}" if "code" in selection else "",
        f"to {selection['recipient_domain']}" if "recipient_domain" in selection else "",
        f"with {len(selection['ids'])} ids" if "ids" in selection else "",
    ]
    return ", ".join(part for part in parts if part)


def plain_ids(ids: Iterable[str]) -> list[str]:
    """Return ids of messages that may be given as `message/ID`, as `penguin get` shows them."""
    return [id_.removeprefix("message/") for id_ in ids]


def requests(selection: dict[str, Any], reason: str) -> Iterator[dict[str, Any]]:
    """Yield the bodies of the requests for a selection: only so many ids in each."""
    if "ids" not in selection:
        yield selection | {"reason": reason}
    ids: Sequence[str] = selection.get("ids", ())
    for start in range(0, len(ids), MOST_IDS):
        yield selection | {"reason": reason, "ids": ids[start : start + MOST_IDS]}


def change(path: str, selection: dict[str, Any], reason: str, what: str, output: Format) -> None:
    """Change all that is meant, and print how many."""
    count = sum(done.changed for done in steps(path, Changed, selection, reason, what))
    print_result(f"{what}: {count}", {"changed": count}, output)


def steps(
    path: str, model: type[C], selection: dict[str, Any], reason: str, what: str
) -> Iterator[C]:
    """Change all that is meant, and yield what each of the requests has done.

    They look at some thousand mails each. If this ends before, it says how far it has come.
    """
    api = connect()
    count, is_over = 0, False
    with ProgressLine(what, log_steps=False) as line:
        try:
            for first in requests(selection, reason):
                body: dict[str, Any] | None = first
                while body is not None:
                    line.update(f"{count} so far")
                    done = api.post(path, model, body)
                    count += done.changed
                    body = None if done.next is None else body | {"after": done.next}
                    yield done
            is_over = True
        finally:
            if count and not is_over:
                line.clear()
                print(f"{what}: {count} so far; the same command does the rest", file=sys.stderr)
