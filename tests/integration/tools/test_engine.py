"""The engine of this machine runs a program by hand, with whichever language host is in use."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tools.pulumi.engine import Engine, find

pytestmark = pytest.mark.engine


@pytest.fixture(scope="session")
def engine() -> Engine:
    return find()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    directory = tmp_path / "a project"
    directory.mkdir()
    (directory / "Pulumi.yaml").write_text("name: penguin\nruntime: python\n")
    return directory


@pytest.fixture
def environment(engine: Engine, tmp_path: Path) -> dict[str, str]:
    state = tmp_path / "state"
    state.mkdir()
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("")
    return {
        **os.environ,
        **engine.environment(tmp_path / "home"),
        "PULUMI_BACKEND_URL": f"file://{state}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
    }


def pulumi(
    engine: Engine, project: Path, environment: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(engine.root / "bin" / "pulumi"), *arguments],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_program_that_changed_is_run_as_changed(
    engine: Engine, project: Path, environment: dict[str, str]
) -> None:
    (project / "part.py").write_text("NUMBER = 5\n")
    (project / "__main__.py").write_text(
        "import pulumi\nfrom part import NUMBER\npulumi.export('number', NUMBER)\n"
    )
    assert pulumi(engine, project, environment, "stack", "init", "acme").returncode == 0
    for number in (5, 6):
        (project / "part.py").write_text(f"NUMBER = {number}\n")
        done = pulumi(engine, project, environment, "up", "--yes", "--skip-preview")
        assert done.returncode == 0, done.stdout + done.stderr
        shown = pulumi(engine, project, environment, "stack", "output", "--json")
        assert json.loads(shown.stdout) == {"number": number}


def test_program_that_fails_is_reported_with_its_message(
    engine: Engine, project: Path, environment: dict[str, str]
) -> None:
    (project / "__main__.py").write_text(
        "print('about to look')\nraise ValueError('no such planet')\n"
    )
    pulumi(engine, project, environment, "stack", "init", "acme")
    done = pulumi(engine, project, environment, "up", "--yes", "--skip-preview")
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert f"ValueError: no such planet ({project}/__main__.py, line 2)" in output
    assert "about to look" in output
    assert "Traceback" not in output


def test_program_that_ends_early_deletes_nothing(
    engine: Engine, project: Path, environment: dict[str, str]
) -> None:
    """Otherwise the engine would delete all resources."""
    (project / "__main__.py").write_text("import os\nos._exit(0)\n")
    pulumi(engine, project, environment, "stack", "init", "acme")
    done = pulumi(engine, project, environment, "up", "--yes", "--skip-preview")
    assert done.returncode != 0, done.stdout + done.stderr
