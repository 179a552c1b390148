"""Parts of packages are imported without the rest, and the rest can be imported later."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from kit.packages import absent, loaded_for_good, unexecuted

PACKAGE = "slow_package"
INNER = f"{PACKAGE}.inner"
PART = f"{INNER}.part"


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package whose import is seen, with a module that does not need it."""
    inner = tmp_path / PACKAGE / "inner"
    inner.mkdir(parents=True)
    (inner.parent / "__init__.py").write_text(f"import {INNER}\nran = True\n")
    (inner / "__init__.py").write_text("ran = True\n")
    (inner / "part.py").write_text("value = 8\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for module in [module for module in sys.modules if module.split(".")[0] == PACKAGE]:
        del sys.modules[module]


def test_module_is_imported_without_its_packages_which_can_be_imported_later() -> None:
    with unexecuted(PACKAGE, INNER):
        assert import_module(PART).value == 8
    assert PACKAGE not in sys.modules
    whole = import_module(PACKAGE)
    assert whole.ran
    assert whole.inner.ran
    assert import_module(PART).value == 8


def test_package_that_was_imported_already_stays() -> None:
    whole = import_module(PACKAGE)
    with unexecuted(PACKAGE):
        assert import_module(PART).value == 8
    assert sys.modules[PACKAGE] is whole


def test_package_that_is_not_installed_is_reported_by_its_import() -> None:
    with unexecuted("no_such_package"), pytest.raises(ModuleNotFoundError, match="no_such_package"):
        import_module("no_such_package")


def test_module_is_absent_for_one_import_only() -> None:
    with absent(PART), pytest.raises(ModuleNotFoundError):
        import_module(PART)
    assert import_module(PART).value == 8


@pytest.mark.parametrize(
    "module",
    ["tools.pulumi.language_host", "tools.pulumi.cloudflare_gateway", "hostwinds.provider"],
)
def test_process_of_the_engine_does_not_import_the_sdk(module: str) -> None:
    program = f"import sys, {module}; print('pulumi' in sys.modules, 'rich' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["False", "False"]


def test_what_is_loaded_for_good_is_not_looked_at_for_garbage() -> None:
    before = gc.get_freeze_count()
    with loaded_for_good():
        assert not gc.isenabled()
        import_module(PART)
    assert gc.isenabled()
    assert gc.get_freeze_count() > before
