"""What follows from settings for the platform."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from composition.settings import Settings
from kit.database import Role

PLATFORM = {"installation": "k3f9a", "zone": "penguinmails.example"}


def settings(
    public_url: str = "http://localhost", *, verification: Any = None, **platform: Any
) -> Settings:
    return Settings.model_validate(
        {
            "platform": PLATFORM | platform,
            "database": {f"{role}_password": "x" for role in Role},
            "api": {"pepper": "x"},
            "vault": {"key_file": "/nowhere"},
            "mail": {"token_key": "00", "public_url": public_url},
            "verification": verification or {},
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


@pytest.mark.parametrize(
    "resolver", ["", "192.0.2.53", "192.0.2.53:5353", "[2001:db8::53]", "[2001:db8::53]:53"]
)
def test_resolver_is_an_address(resolver: str) -> None:
    assert settings(verification={"resolver": resolver}).verification.resolver == resolver


@pytest.mark.parametrize(
    "resolver",
    ["dns.example", "192.0.2.1:dns", "192.0.2.1:99999", "192.0.2.1:0", "2001:db8::53", "[x]", "/"],
)
def test_resolver_that_cannot_be_asked_is_refused(resolver: str) -> None:
    with pytest.raises(ValidationError, match=r"verification\.resolver"):
        settings(verification={"resolver": resolver})


@pytest.mark.parametrize("wrong", [{"source": "eth0"}, {"period": "-PT1M"}, {"looks": 0}])
def test_verification_that_cannot_be_made_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=rf"verification\.{next(iter(wrong))}"):
        settings(verification=wrong)
