"""Lines of the benchmarks' results."""

from __future__ import annotations

import json
from pathlib import Path

from tests.bench.figures import Figure, store


def test_each_target_replaces_its_own_lines(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    store([Figure("tenant file to Ready", 1, "s")], path=path)
    store([Figure("queue: drain", 2, "jobs/s"), Figure("queue: gone", 2, "jobs/s")], "queue", path)
    store([Figure("tenant file to Ready", 3, "s")], path=path)
    store([Figure("queue: drain", 4, "jobs/s", "another", 2.0)], "queue", path)
    lines = json.loads(path.read_text())
    assert [(line["name"], line["value"]) for line in lines] == [
        ("tenant file to Ready", 3),
        ("queue: drain", 4),
    ]
    assert lines[1] == {
        "name": "queue: drain",
        "value": 4,
        "unit": "jobs/s",
        "peer": "another",
        "ratio": 2.0,
    }
