"""An installation with real servers, and its commands."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kit.database import Role, role_name
from kit.paths import checkout
from tests.support import plain_http
from tests.support.command_line import COMMAND, environment_of, run, run_process
from tests.support.processes import children, command
from tests.support.waiting import SECONDS, wait_for
from tools.servers import Valkey


class Installation:
    """One state directory and its commands."""

    def __init__(self, directory: Path, dsn: str) -> None:
        self.directory = directory
        self.dsn = dsn
        self.environment = {
            **environment_of(directory),
            "PENGUIN_DATABASE__DSN": dsn,
            "PYTHONUNBUFFERED": "1",
        }

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return run_process(
            *arguments, environment={**self.environment, **environment}, seconds=SECONDS
        )

    def do(self, *arguments: str) -> None:
        """Run a command in this process, since most take less time than to start one."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            assert run(*arguments) == 0

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
        """The content of `serve.json`."""
        announced: dict[str, Any] = json.loads((self.directory / "serve.json").read_text())
        return announced

    @property
    def supervisor(self) -> int:
        return int(self.announced["process"].partition(".")[0])

    def health(self, part: str = "", *, seconds: float = SECONDS) -> httpx2.Response:
        """Request the health of all or of one part."""
        path = f"/api/v1/health/{part}".rstrip("/")
        return plain_http.get(f"{self.announced['url']}{path}", timeout=seconds)

    def pid(self, part: str) -> int:
        """Return the process of a part; raises ValueError when there is none."""
        for child in children(self.supervisor):
            if command(child).endswith(f".{part}\0".encode()):
                return child
        raise ValueError(part)

    @contextmanager
    def serving(self, *parts: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Run parts; yield when all are healthy, and check that they end in time."""
        with (self.directory / "output").open("w") as output:
            process = subprocess.Popen(
                [*COMMAND, "serve", *parts],
                cwd=checkout(),
                env={**self.environment, **environment},
                stdout=output,
                stderr=output,
                text=True,
            )
        try:
            wait_for(lambda: process.poll() is not None or self._are_healthy(parts))
            assert process.poll() is None, self.output()
            yield process
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.wait(SECONDS) == 0, self.output()
        finally:
            process.kill()
            process.wait()

    def output(self) -> str:
        """Return what `penguin serve` printed."""
        return (self.directory / "output").read_text()

    def _are_healthy(self, parts: Sequence[str]) -> bool:
        return all(self.health(part).status_code == 200 for part in parts or ("",))


@pytest.fixture
def installation(servers_dir: Path, database: str) -> Iterator[Installation]:
    directory = servers_dir / uuid.uuid4().hex[:6]  # the embedded servers' account can reach it
    initialized = Installation(directory, database)
    initialized.do("init")
    yield initialized
    Valkey(directory / "valkey").stop()  # the embedded one, unless another is configured
