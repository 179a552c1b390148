"""The program that tries outbound port 25: which addresses of the echo MX it talks to."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ADDRESSES = [{"name": "mx1-1", "ip": "127.0.0.1", "helo": "mx1.acme.example"}]
CONFIG = {"mx": "echo.example", "port": 25, "addresses": ADDRESSES}
CLOSED = {"stage": "connect", "reason": "timed out"}
DONE = {"stage": "done", "reply": "550 no", "tls": None}


@pytest.fixture
def program(playbooks: Path) -> ModuleType:
    path = playbooks / "roles/outbound/files/penguin_outbound.py"
    spec = importlib.util.spec_from_file_location("penguin_outbound", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("listed", "tried", "result"),
    [
        (["192.0.2.1"], ["192.0.2.1", "192.0.2.1"], CLOSED),
        (["192.0.2.1", "192.0.2.2"], ["192.0.2.1", "192.0.2.2"], CLOSED),
        (["192.0.2.1", "192.0.2.9", "192.0.2.2"], ["192.0.2.1", "192.0.2.9"], DONE),
        ([f"192.0.2.{n}" for n in range(1, 9)], [f"192.0.2.{n}" for n in (1, 2, 3)], CLOSED),
    ],
)
def test_each_address_of_the_echo_mx_is_tried(
    program: ModuleType,
    listed: list[str],
    tried: list[str],
    result: dict[str, Any],
) -> None:
    seen: list[str] = []

    def talk(target: str, *_: object) -> dict[str, Any]:
        seen.append(target)
        return DONE if target == "192.0.2.9" else CLOSED

    made = program.report(CONFIG, lambda _: listed, talk)
    assert made["results"] == [{**ADDRESSES[0], **result}]
    assert seen == tried


@pytest.mark.parametrize("name", ["", "a..example", "x" * 70 + ".example", "missing.invalid"])
def test_name_that_cannot_be_looked_up_is_said_of_each_address(
    program: ModuleType, name: str
) -> None:
    [result] = program.report({**CONFIG, "mx": name})["results"]
    assert result["stage"] == "lookup"
    assert result["ip"] == "127.0.0.1"
    assert result["reason"]
    assert program.report({**CONFIG, "mx": name, "addresses": []})["results"] == []
