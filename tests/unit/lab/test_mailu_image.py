"""The stand-in for Mailu's admin runs in an image of Debian packages."""

from __future__ import annotations

import ast
import sys

from kit.paths import checkout

IN_THE_IMAGE = {"cryptography", "dns", "yaml"}
ROOTS = ("lab.mailu.", "kit.queries")


def imported() -> set[str]:
    """Return the modules that the stand-in imports, other than the standard library's."""
    paths = [*(checkout() / "lab" / "mailu").rglob("*.py"), checkout() / "kit" / "queries.py"]
    trees = [ast.walk(ast.parse(path.read_text())) for path in paths]
    names = {
        name
        for tree in trees
        for node in tree
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
        )
    }
    return {name for name in names if name.partition(".")[0] not in sys.stdlib_module_names}


def test_the_stand_in_imports_only_what_its_image_has() -> None:
    others = {name for name in imported() if not f"{name}.".startswith(ROOTS)}
    assert {name.partition(".")[0] for name in others} == IN_THE_IMAGE


def test_the_package_kit_is_importable_on_its_own() -> None:
    tree = ast.parse((checkout() / "kit" / "__init__.py").read_text())
    assert not [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
