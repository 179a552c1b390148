"""An operator's shell in the checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

from blueprint.document import Blueprint
from kit.paths import checkout
from tools.pulumi.engine import Engine


class ByHand:
    """Runs `pulumi` for the stack `acme`, whose configuration file is outside the checkout."""

    def __init__(self, engine: Engine, environment: dict[str, str], directory: Path) -> None:
        self._command = str(engine.root / "bin" / "pulumi")
        self._environment = environment
        self._document = directory / "acme.json"
        self._config = directory / "Pulumi.acme.yaml"

    def configure(self, blueprint: Blueprint, *more: str) -> None:
        """Write a configuration of the stack that names this blueprint, and more lines."""
        self._document.write_text(blueprint.model_dump_json(by_alias=True))
        lines = [f"penguin:blueprint: {self._document}", *more]
        self._config.write_text("config:\n" + "".join(f"  {line}\n" for line in lines))

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

    def up(self) -> str:
        """Run `pulumi up`, which must succeed, and return its output."""
        return self.run_checked("up", "--yes", "--skip-preview")

    def run_checked(self, *arguments: str) -> str:
        """Run `pulumi`, which must succeed, and return its output."""
        completed = self.run(*arguments)
        assert completed.returncode == 0, completed.stdout + completed.stderr
        return completed.stdout
