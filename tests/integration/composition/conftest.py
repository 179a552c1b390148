"""An installation on real servers, and the commands on it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kit.database import Role, role_name
from kit.paths import checkout
from tests.support.command_line import COMMAND, environment_of, run_process
from tests.support.processes import children, command
from tests.support.waiting import wait_for
from tools.servers import Valkey


class Installation:
    """One state directory, and the commands on it."""

    def __init__(self, directory: Path, dsn: str) -> None:
        self.directory = directory
        self.dsn = dsn
        self.environment = {
            **environment_of(directory),
            "PENGUIN_DATABASE__DSN": dsn,
            "PYTHONUNBUFFERED": "1",
        }

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return run_process(*arguments, environment={**self.environment, **environment}, seconds=60)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=checkout(),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def login(self, role: Role) -> str:
        """Return the name of a role in the database."""
        text = (self.directory / "settings.env").read_text()
        [installation] = re.findall(r'PENGUIN_PLATFORM__INSTALLATION="(\w+)"', text)
        return role_name(installation, role)

    @property
    def announced(self) -> dict[str, Any]:
        """What `serve.json` says."""
        announced: dict[str, Any] = json.loads((self.directory / "serve.json").read_text())
        return announced

    @property
    def supervisor(self) -> int:
        return int(self.announced["process"].partition(".")[0])

    def health(self, part: str = "") -> httpx2.Response:
        """Ask for the health of all or of one part; whatever hangs, the answer takes a second."""
        path = f"/api/v1/health/{part}".rstrip("/")
        return httpx2.get(f"{self.announced['url']}{path}", timeout=1.0, trust_env=False)

    def pid(self, part: str) -> int:
        """Return the process of a part; raises ValueError when there is none."""
        for child in children(self.supervisor):
            if command(child).endswith(f".{part}\0".encode()):
                return child
        raise ValueError(part)

    @contextmanager
    def serving(self, *parts: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Run parts until all are well; at the end they have ended, and in time."""
        with (self.directory / "said").open("w") as said:
            process = subprocess.Popen(
                [*COMMAND, "serve", *parts],
                cwd=checkout(),
                env={**self.environment, **environment},
                stdout=said,
                stderr=said,
                text=True,
            )
        try:
            wait_for(lambda: process.poll() is not None or self._are_well(parts), seconds=60)
            assert process.poll() is None, self.said()
            yield process
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 0, self.said()
        finally:
            process.kill()
            process.wait()

    def said(self) -> str:
        """Return what `penguin serve` printed."""
        return (self.directory / "said").read_text()

    def _are_well(self, parts: Sequence[str]) -> bool:
        return all(self.health(part).status_code == 200 for part in parts or ("",))


@pytest.fixture
def installation(tmp_path: Path, database: str) -> Iterator[Installation]:
    made = Installation(tmp_path, database)
    assert made.run("init").returncode == 0
    yield made
    Valkey(tmp_path / "valkey").stop()  # the embedded one, where no other was set
