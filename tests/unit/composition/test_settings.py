"""What follows from settings for the platform."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from composition.settings import Settings
from kit.database import Role

PLATFORM = {"installation": "k3f9a", "zone": "penguinmails.example"}


def settings(public_url: str, **platform: Any) -> Settings:
    return Settings.model_validate(
        {
            "platform": PLATFORM | platform,
            "database": {f"{role}_password": "x" for role in Role},
            "api": {"pepper": "x"},
            "vault": {"key_file": "/nowhere"},
            "mail": {"token_key": "00", "public_url": public_url},
        }
    )


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("https://go.penguins.example:8443/x", ("api.penguins.example", "go.penguins.example")),
        ("http://127.0.0.1:8401", ("api.penguins.example",)),
        ("http://[::1]", ("api.penguins.example",)),
        ("http://localhost", ("api.penguins.example",)),
    ],
)
def test_name_of_the_public_endpoints_is_the_platforms(url: str, names: tuple[str, ...]) -> None:
    assert settings(url, names=("api.penguins.example",)).platform.names == names


def test_url_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ValidationError, match=r"mail\.public_url"):
        settings("http://[bad")
