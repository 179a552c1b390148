"""What stops `pulumi up` by hand is shown by the engine in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest

from blueprint.loading import load
from blueprint.render import render
from kit.paths import checkout
from stacks import faults
from stacks.program import run
from stacks.source import blueprint_of
from tests.support.faults import assert_shows
from tests.support.installation import PLATFORM
from tests.unit.stacks.test_requests import Config

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("PENGUIN_API_URL", raising=False)


def shown(stack: str = "acme", **values: str) -> str:
    """Return what the engine prints of a program that cannot begin."""
    config: Any = Config(**values)
    with pytest.raises(pulumi.RunError) as ended:
        run(lambda: blueprint_of(config, stack))
    return str(ended.value)


def test_stack_without_a_source_says_where_to_get_one() -> None:
    assert_shows(shown(), faults.NO_SOURCE)


def test_blueprint_that_is_missing_is_named() -> None:
    values = {"source": checkout() / "none.json", "reason": "No such file or directory"}
    assert_shows(shown(blueprint="none.json"), faults.BAD_BLUEPRINT, **values)


def test_blueprint_of_another_tenant_is_refused(tmp_path: Path) -> None:
    text = (checkout() / "tenants" / "acme.yaml").read_text()
    (tenant,) = load(text, file="acme.yaml", platform=PLATFORM)
    file = tmp_path / "acme.json"
    made = render(tenant, platform=PLATFORM, keys=None, generation=1)
    file.write_text(made.model_dump_json(by_alias=True))
    values = {"stack": "globex", "tenant": "acme"}
    assert_shows(shown("globex", blueprint=str(file)), faults.WRONG_TENANT, **values)


def test_control_plane_that_does_not_answer_is_named() -> None:
    values = {"url": NOWHERE, "reason": ...}
    assert_shows(shown(control_plane=NOWHERE), faults.CONTROL_PLANE_UNREACHABLE, **values)
