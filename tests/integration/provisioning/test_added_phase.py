"""An added phase appears wherever phases and conditions are listed."""

from __future__ import annotations

import json

import pytest

from sandbox.reference import conditions
from tests.support.greeting_phase import Greeting

from .conftest import Cloud
from .control_plane import FILE, CommandLine, ControlPlane

pytestmark = pytest.mark.engine


def test_added_phase_is_in_every_list_without_another_change(
    control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine
) -> None:
    servers: list[int] = []
    control_plane.add(Greeting(lambda: servers.append(len(list(cloud.hostwinds.all_servers())))))
    control_plane.file.write_text(FILE)
    penguin("apply", "-f", str(control_plane.file))
    unknown = penguin("wait", "tenant", "acme", "--for=condition=Welcomed")
    assert "Greeted" in unknown.err
    early = penguin("wait", "tenant", "acme", "--for=condition=Greeted", "--timeout=0s")
    assert early.status == 1
    assert "waiting for Greeted" in early.out

    control_plane.reconcile()

    waited = penguin("wait", "tenant", "acme", "--for=condition=Greeted", "--timeout=0s")
    assert waited.status == 0
    described = penguin("describe", "tenant", "acme").out
    order = [line.split()[1] for line in described.splitlines() if "✓ " in line]
    assert order.count("Greeted") == 2, "of the tenant and of its domain"
    assert order.index("DnsReady") < order.index("Greeted")
    assert any("greeting" in line and "greet" in line for line in described.splitlines())
    shown = json.loads(penguin("get", "tenant", "acme", "-o", "json").out)
    statuses = {(c["subject"], c["type"]): c["status"] for c in shown["conditions"]}
    assert statuses["domain/acme.example", "Greeted"] == "True"
    page = conditions.page(control_plane.rows)
    assert "| `greeting` | `Greeted` | domain | dns | yes |" in page
    assert "| `Greeted` | tenant, domain | the domain was greeted |" in page

    penguin("delete", "tenant", "acme", "--yes")
    control_plane.reconcile()
    assert servers == [1], "removed once, before the phases it needs"
    assert "resource.not_found" in penguin("describe", "tenant", "acme").err
