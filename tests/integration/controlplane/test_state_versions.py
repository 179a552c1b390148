"""That a run has written a stack's state is seen without reading the state."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from controlplane.pulumi.engine import VERSIONS_SECONDS, PulumiEngine
from stacks.backend import PROJECT, Stacks

FOLDER = f".pulumi/stacks/{PROJECT}"


def test_version_of_a_file_differs_after_each_write(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    for name in ("acme.json", "acme.json.bak", "acme.json.attrs", "globex.json.gz"):
        (folder / name).write_text("{}")
    stacks = Stacks(f"file://{tmp_path}")
    before = stacks.versions()
    assert before.keys() == {"acme", "globex"}
    os.utime(folder / "acme.json", (1, 1))
    after = stacks.versions()
    assert after["acme"] != before["acme"]
    assert after["globex"] == before["globex"]


def test_version_of_a_row_differs_after_each_write(upgraded: str) -> None:
    parts = urlsplit(upgraded)
    name = parts.path.strip("/")
    url = urlunsplit(parts._replace(scheme="postgres", query=f"{parts.query}&table=states"))
    stacks = Stacks(url)
    assert stacks.versions() == {}, "no engine has written yet"
    with psycopg.connect(upgraded, autocommit=True) as admin:
        admin.execute(
            "create table states (key text primary key, data json, updated_at timestamptz)"
        )
        for key in (f"{FOLDER}/acme.json.gz", f"{FOLDER}/globex.json", ".pulumi/history/x.json"):
            admin.execute("insert into states values (%s, '{}', now())", [f"{name}/{key}"])
        before = stacks.versions()
        assert before.keys() == {"acme", "globex"}
        admin.execute("update states set updated_at = clock_timestamp() where key like '%acme%'")
    after = stacks.versions()
    assert after["acme"] != before["acme"]
    assert after["globex"] == before["globex"]


def test_versions_of_all_stacks_are_read_together_once_a_minute(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    now = [0.0]
    engine = PulumiEngine(
        installation="lab",
        environment={"PULUMI_BACKEND_URL": f"file://{tmp_path}"},
        root=tmp_path,
        gateway="",
        clock=lambda: now[0],
    )
    assert engine.version("acme") is None
    (folder / "acme.json").write_text("{}")
    assert engine.version("acme") is None
    now[0] = VERSIONS_SECONDS
    assert engine.version("acme") is not None
