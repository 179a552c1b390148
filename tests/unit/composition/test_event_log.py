"""The control plane's log never stops the control plane."""

from __future__ import annotations

import json
from pathlib import Path

import structlog

from composition.event_log import log_to
from tests.support.plain_log import log_plainly


def test_event_log_writes_lines_and_survives_a_full_disk(tmp_path: Path) -> None:
    try:
        log_to(tmp_path / "log" / "events.jsonl")
        structlog.get_logger().warning("written", code="x.y")
        log_to(Path("/dev/full"))
        structlog.get_logger().warning("lost")
    finally:
        log_plainly()
    file = tmp_path / "log" / "events.jsonl"
    [line] = [json.loads(line) for line in file.read_text().splitlines()]
    assert (line["event"], line["code"], line["level"]) == ("written", "x.y", "warning")
    assert file.stat().st_mode & 0o777 == 0o600
