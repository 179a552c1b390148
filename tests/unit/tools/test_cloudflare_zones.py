"""A zone's name is the same however Cloudflare writes it."""

from __future__ import annotations

import pytest

from tools.pulumi.cloudflare_zones import changed_fields, live_inputs


@pytest.mark.parametrize(
    ("planned", "listed"),
    [
        ("xn--bcher-kva.example", "bücher.example"),
        ("xn--strae-oqa.example", "straße.example"),
        ("Acme.example", "acme.example"),
        ("bücher.example", "bücher.example"),
    ],
)
def test_name_read_back_in_another_form_changes_nothing(planned: str, listed: str) -> None:
    inputs = {"account": {"id": "a"}, "name": planned}
    live = {"account": {"id": "a"}, "name": listed}
    assert changed_fields(live_inputs(inputs, live), inputs) == []


def test_other_name_is_another_zone() -> None:
    inputs = {"account": {"id": "a"}, "name": "xn--strae-oqa.example"}
    live = {"account": {"id": "a"}, "name": "strasse.example"}
    assert changed_fields(live_inputs(inputs, live), inputs) == ["name"]
