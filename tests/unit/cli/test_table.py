"""Tables fit the terminal and report what was cut; in a pipe they are complete."""

from __future__ import annotations

from contextlib import redirect_stdout
from typing import Any

import pytest
from rich.cells import cell_len

from cli import kinds
from cli.table import Table, fit, print_table
from tests.support.command_line import Terminal

ID = "0199b1c2-0000-7000-8000-000000000000"
LONG = "a long text about what happened, why it did, and that nothing has to be done about it"
ROWS: dict[kinds.Kind, dict[str, Any]] = {
    kinds.TENANT: {"name": "a" * 30, "ready": "Unknown", "reason": "CloudflareZoneMissing"}
    | {"generation": 12, "age": "300d", "cost": "$1,043.98"},
    kinds.HOST: {"tenant": "a" * 30, "name": "mx1", "ready": "False", "reason": "HostUnreachable"}
    | {"size": "professional", "location": "Seattle", "addresses": ["mx1-1", "mx1-2", "mx1-3"]},
    kinds.ADDRESS: {"tenant": "acme", "name": "mx1-12", "ready": "True", "reason": ""}
    | {"ip": "198.51.100.112"}
    | {"helo": "mx1-12.acme-of-somewhere.example", "use": "bulk mail"},
    kinds.DOMAIN: {"tenant": "acme", "name": "acme-mail.example", "ready": "False"}
    | {"reason": "DnsRecordMissing", "dns": "cloudflare", "dmarc": "quarantine"},
    kinds.MAILBOX: {"tenant": "acme", "name": "first.middle.last.name@acme-mail.example"}
    | {"daily_cap": 50},
    kinds.OPERATION: {"id": ID, "tenant": "acme", "phase": "configuration", "kind": "update"}
    | {"outcome": "failed", "error_code": "hostwinds.no_capacity", "age": "12m"},
    kinds.MESSAGE: {"id": ID, "state": "bounced: infrastructure", "reason": "warmup cap reached"}
    | {"from": "sales@acme.example", "to": "alice@rcpt.example", "subject": LONG, "age": "12m"},
    kinds.EVENT: {
        "at": "2026-11-27 22:31:05",
        "tenant": "acme",
        "subject": "host/mx1",
        "kind": "InfrastructureReady=False",
    }
    | {"message": LONG},
    kinds.STOP: {"target": "domain/acme-mail.example", "tenant": "acme", "reason": LONG}
    | {"actor": "pm_live_3fK9aQ2z", "since": "2026-11-27 22:31:05"},
    kinds.KEY: {"prefix": "pm_live_3fK9aQ2z", "tenant": "a" * 30, "age": "300d"}
    | {"scopes": "messages:read, messages:send, tenants:read, tenants:write"},
    kinds.PURCHASE: {"name": "acme-mx1-3f9a2c", "opened_at": "2026-11-27T22:31:05+00:00"}
    | {"outcome": None},
}


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.plural)
@pytest.mark.parametrize("limit", [80, 200])
def test_table_of_each_kind_fits_and_names_what_is_missing(kind, limit):
    row = ROWS[kind]
    table = Table(kind.columns, [row, row], limit)
    assert max(cell_len(line) for line in table.lines) <= limit
    for column in kind.columns:
        name = column.rstrip("?")
        value = row.get(name)
        text = ", ".join(value) if isinstance(value, list) else str(value or "-")
        title = name.replace("_", " ").upper()
        assert text in table.lines[1] or title in table.note


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.plural)
def test_table_in_a_pipe_is_whole(kind, capsys):
    row = ROWS[kind]
    print_table([row], kind.columns)
    out, err = capsys.readouterr()
    assert err == ""
    for column in kind.columns:
        value = row.get(column.rstrip("?"))
        assert (", ".join(value) if isinstance(value, list) else str(value or "-")) in out


def test_table_leaves_out_optional_columns_before_it_cuts_texts():
    rows = [{"id": "x" * 36, "reason": "y" * 20, "subject": "z" * 20}]
    wide = Table(("id", "reason?", "subject"), rows, 60)
    assert wide.note == "(left out: REASON; -o yaml shows everything)"
    narrow = Table(("id", "reason?", "subject"), rows, 50)
    assert narrow.lines[1] == f"{'x' * 36}  {'z' * 11}…"
    assert narrow.note == "(cut: SUBJECT; left out: REASON; -o yaml shows everything)"


def test_table_on_a_terminal_says_on_standard_error_what_is_cut(monkeypatch, capsys):
    screen = Terminal()
    monkeypatch.setenv("COLUMNS", "40")
    with redirect_stdout(screen):
        print_table([{"name": "acme", "message": LONG}], ("name", "message"))
    assert max(map(len, screen.getvalue().splitlines())) <= 40
    assert "(cut: MESSAGE;" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [("abc", 5, "abc  "), ("abcdef", 4, "abc…"), ("世界世界", 5, "世界…"), ("世界世界", 4, "世… ")],
)
def test_fit_counts_terminal_cells(text, size, expected):
    assert fit(text, size) == expected
