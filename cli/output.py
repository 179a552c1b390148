"""Prints results as a table for people, or as JSON or YAML for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, TextIO

import typer
import yaml
from pydantic import TypeAdapter

from cli.table import print_table


class Format(StrEnum):
    """Values of `-o`."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


OutputOption = Annotated[Format, typer.Option("--output", "-o", help="table, json or yaml")]
ANY: TypeAdapter[Any] = TypeAdapter(Any)


def plain(document: object) -> Any:
    """Return a document, whose parts may be models, as plain JSON values."""
    return ANY.dump_python(document, mode="json", by_alias=True)


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], format_: Format) -> None:
    """Print a list. The table shows `columns`; JSON and YAML contain every key of each row."""
    if format_ is Format.TABLE:
        print_table(rows, columns)
    else:
        print_document(rows, format_)


def print_result(line: str, document: object, format_: Format) -> None:
    """Print what a command did: a line for people, a document for programs."""
    if format_ is Format.TABLE:
        print(line, flush=True)
    else:
        print_document(document, format_)


def progress_stream(format_: Format) -> TextIO:
    """Return the stream for progress: standard error where standard output is for a document."""
    return sys.stdout if format_ is Format.TABLE else sys.stderr


def print_document(document: object, format_: Format) -> None:
    """Print one document as JSON or YAML; `print_rows` prints tables."""
    print(as_text(document, format_), end="")


def print_item(document: object, format_: Format) -> None:
    """Print one document of a stream: a line of JSON, or a YAML document."""
    if format_ is Format.YAML:
        print(f"---\n{as_text(document, format_)}", end="", flush=True)
    else:
        print(json.dumps(plain(document), ensure_ascii=False), flush=True)


def as_text(document: object, format_: Format) -> str:
    """Return a document as YAML or, for every other format, as JSON."""
    if format_ is Format.YAML:
        return yaml.safe_dump(plain(document), sort_keys=False, allow_unicode=True)
    return f"{json.dumps(plain(document), indent=2, ensure_ascii=False)}\n"
