"""Programs of wheels, where the account of the servers can run them."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from kit.locks import locked
from kit.paths import cache_dir
from tools.faults import START_FAILED
from tools.servers.process import Account


@dataclass(frozen=True)
class Wheel:
    """A wheel with a server."""

    server: str
    name: str
    packages: tuple[str, ...]
    """Its directories, the package first; programs find their libraries by relative paths."""
    program: str
    """Pattern of a program's path in the package; the others are beside it."""

    def programs(self, account: Account) -> Path:
        """Return the directory of its programs, copied where `account` may read them.

        The package is not imported: some warn at import.
        """
        spec = importlib.util.find_spec(self.packages[0])
        for directory in (spec.submodule_search_locations or ()) if spec else ():
            package = Path(directory)
            for program in package.glob(self.program):
                if _can_run(program, account):
                    return program.parent
                return (self._copy(package.parent) / program.relative_to(package.parent)).parent
        raise START_FAILED(server=self.server, reason=f"the wheel {self.name} is not installed")

    def _copy(self, site: Path) -> Path:
        copy = cache_dir() / f"{self.name}-{version(self.name)}"
        with locked(cache_dir() / f"{self.name}.lock"):
            if not copy.exists():
                fresh = copy.with_name(copy.name + ".new")
                shutil.rmtree(fresh, ignore_errors=True)
                for name in self.packages:
                    if (site / name).exists():
                        shutil.copytree(site / name, fresh / name, symlinks=True)
                _open_for_reading(fresh)
                fresh.rename(copy)
        return copy


def _open_for_reading(tree: Path) -> None:
    """Let every user read a tree of programs, whatever this process's umask was."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & 0o100 else 0o444))


def _can_run(program: Path, account: Account) -> bool:
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, cwd="/", check=False, **account.switch
        )
    except OSError:
        return False
    return done.returncode == 0
