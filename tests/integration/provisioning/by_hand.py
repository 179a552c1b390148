"""An operator's shell in the checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

from blueprint.document import Blueprint
from kit.paths import checkout
from tools.pulumi.engine import Engine


class ByHand:
    """Runs `pulumi` for the stack `acme`; its configuration is kept out of the checkout."""

    def __init__(self, engine: Engine, environment: dict[str, str], directory: Path) -> None:
        self._command = str(engine.root / "bin" / "pulumi")
        self._environment = environment
        self._document = directory / "acme.json"
        self._config = directory / "Pulumi.acme.yaml"

    def takes(self, blueprint: Blueprint) -> None:
        """Let the stack's configuration name this blueprint."""
        self._document.write_text(blueprint.model_dump_json(by_alias=True))
        self._config.write_text(f"config:\n  penguin:blueprint: {self._document}\n")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `pulumi`."""
        return subprocess.run(
            [self._command, *arguments, "--config-file", str(self._config), "-s", "acme"],
            cwd=checkout(),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def begin(self, directory: Path) -> None:
        """Run `pulumi stack init` in a directory of its own: it writes a configuration."""
        directory.mkdir()
        (directory / "Pulumi.yaml").write_text("name: penguin\nruntime: python\n")
        subprocess.run(
            [self._command, "stack", "init", "acme"],
            cwd=directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )

    def up(self) -> str:
        """Run `pulumi up` and return what it shows; it must succeed."""
        return self.done("up", "--yes", "--skip-preview")

    def done(self, *arguments: str) -> str:
        """Run `pulumi` and return what it shows; it must succeed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
