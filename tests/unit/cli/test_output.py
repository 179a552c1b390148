"""Foreign text is shown unchanged, and controls neither the table nor the terminal."""

from __future__ import annotations

import json
from contextlib import redirect_stderr

import pytest
import yaml

from cli.output import Format, print_result, print_rows
from cli.progress import ProgressLine
from cli.terminal import printable
from tests.support.command_line import Terminal

ODD = {"subject": "[/x] [red]:smile: a\x1b[2Jb", "list": ["a", "b"], "none": None}


def test_table_prints_markup_literally_and_no_control_characters(capsys):
    print_rows([ODD], ("subject", "list", "none"), Format.TABLE)
    output = capsys.readouterr().out
    assert "[/x] [red]:smile: a\ufffd[2Jb" in output
    assert output.splitlines()[-1].split()[-3:] == ["a,", "b", "-"]


@pytest.mark.parametrize(
    ("format_", "read"), [(Format.JSON, json.loads), (Format.YAML, yaml.safe_load)]
)
def test_json_and_yaml_carry_every_key_unchanged(format_, read, capsys):
    print_rows([ODD], ("subject",), format_)
    assert read(capsys.readouterr().out) == [ODD]
    print_result("done", ODD, format_)
    assert read(capsys.readouterr().out) == ODD


def test_printable_keeps_letters_of_all_languages():
    assert printable("Grüße, 世界\t🐧") == "Grüße, 世界\t🐧"


def test_progress_is_one_line_that_fits_a_narrow_terminal_and_leaves_nothing(monkeypatch):
    screen = Terminal()
    monkeypatch.setenv("COLUMNS", "20")
    with redirect_stderr(screen), ProgressLine("waiting") as line:
        line.update("for something that takes long to say")
    assert screen.getvalue() == "\r  … waiting: for so\x1b[K\r\x1b[K"


def test_progress_in_a_log_names_each_step_once(capsys):
    with ProgressLine("engine") as line:
        for figure in range(100):
            line.update(f"compiling  {figure} of 100")
        line.update("linking")
    assert [text.split("  ")[1] for text in capsys.readouterr().err.splitlines()] == [
        "… engine: compiling",
        "… engine: linking",
    ]
