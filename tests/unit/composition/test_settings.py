"""What follows from settings for the platform."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from blueprint.tenant import Size
from cli.faults import SETTINGS_INVALID
from cli.settings import SETTINGS_FILE
from composition.settings import RedisSettings, Settings
from controlplane.settings import ReconcilerSettings
from hostwinds.purchase import Deadlines
from kit.database import Role
from kit.faults import Fault
from sender.settings import SenderSettings

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
            "mail": {"token_key": "00" * 32, "public_url": public_url},
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


@pytest.mark.parametrize("url", ["redis://:secret@[bad", "redis://:secret@host:port/0"])
def test_url_of_redis_that_cannot_be_read_is_refused(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        RedisSettings.model_validate({"url": url})
    [error] = refused.value.errors()
    assert error["msg"].endswith("write a Redis URL such as redis://:password@host:6379/0")


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


WRITTEN = {
    "PENGUIN_PLATFORM__INSTALLATION": "k3f9a",
    "PENGUIN_PLATFORM__ZONE": "penguinmails.example",
    "PENGUIN_API__PEPPER": "x",
    "PENGUIN_VAULT__KEY_FILE": "/nowhere",
    "PENGUIN_MAIL__TOKEN_KEY": "00" * 32,
    **{f"PENGUIN_DATABASE__{role.upper()}_PASSWORD": "secret" for role in Role},
}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    lines = [f"{name}={value}\n" for name, value in WRITTEN.items()]
    (tmp_path / SETTINGS_FILE).write_text("".join(lines))
    return tmp_path


def reason_of(state: Path) -> str:
    with pytest.raises(Fault) as refused:
        Settings.read(state)
    assert refused.value.code is SETTINGS_INVALID
    assert "secret" not in refused.value.message
    return refused.value.message


def _kinds(annotation: Any) -> Iterator[Any]:
    """Yield a type without its constraints, or each of several."""
    if get_origin(annotation) in (Annotated, Union, UnionType):
        for inner in get_args(annotation):
            yield from _kinds(inner)
    elif isinstance(annotation, type):
        yield annotation


def numeric(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, type]]:
    """Yield the environment variable of each setting that is a number or a duration."""
    for name, field in model.model_fields.items():
        kinds = set(_kinds(field.annotation))
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from numeric(kind, f"{prefix}{name.upper()}__")
        yield from ((f"{prefix}{name.upper()}", kind) for kind in kinds & {int, float, timedelta})


NUMERIC = dict(numeric(Settings, "PENGUIN_"))
PYTHONIC = ("1_0", "010", " 5 ", "+5", "\u0665", "0x10", ".5", "5.", "true", "inf", "1 day", "")


@pytest.mark.parametrize(("variable", "kind"), NUMERIC.items())
def test_number_in_the_environment_is_what_json_calls_one(
    state: Path, monkeypatch: pytest.MonkeyPatch, variable: str, kind: type
) -> None:
    for written in (*PYTHONIC, "00:30:00", "-PT5S", "P", "PT"):
        monkeypatch.setenv(variable, written)
        assert reason_of(state).startswith(f"{variable}: write ")
    monkeypatch.setenv(variable, {int: "8e2", float: "0.5", timedelta: "PT0.5S"}[kind])
    Settings.read(state)


@pytest.mark.parametrize(
    "duration",
    [timedelta(days=2555), timedelta(days=400, hours=5), timedelta(microseconds=1), timedelta()],
)
def test_duration_is_read_by_a_part_as_it_was_set(duration: timedelta) -> None:
    given = ReconcilerSettings(audit=duration)
    assert ReconcilerSettings.model_validate_json(given.model_dump_json()) == given


def test_token_keys_are_read_by_their_ids(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENGUIN_MAIL__TOKEN_KEYS__1", "11" * 32)
    monkeypatch.setenv("PENGUIN_MAIL__TOKEN_KEYS__20", "20" * 32)
    keys = Settings.read(state).mail.token_keys
    assert {id_: key.get_secret_value()[:2] for id_, key in keys.items()} == {1: "11", 20: "20"}


def test_numbers_of_all_groups_are_tested() -> None:
    assert {variable.split("__")[0] for variable in NUMERIC} >= {
        f"PENGUIN_{group}" for group in ("API", "DATABASE", "PLATFORM", "RECONCILER")
    }


SENDER = dict(numeric(SenderSettings, "PENGUIN_SENDER_"))


@pytest.mark.parametrize("variable", SENDER)
def test_number_of_the_sender_is_what_json_calls_one(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("DATABASE_URL", "KEY_RING", "PUBLIC_URL"):
        monkeypatch.setenv(f"PENGUIN_SENDER_{name}", "x")
    monkeypatch.setenv("PENGUIN_SENDER_TOKEN_KEY", "00" * 32)
    for written in PYTHONIC:
        monkeypatch.setenv(variable, written)
        with pytest.raises(ValidationError, match="Value error, write "):
            SenderSettings()
    monkeypatch.setenv(variable, "8e0")
    assert getattr(SenderSettings(), variable.removeprefix("PENGUIN_SENDER_").lower()) == 8


@pytest.mark.parametrize(
    ("variable", "written", "reason"),
    [
        ("PENGUIN_PLATFORM__NAMES", "api.example", "PENGUIN_PLATFORM…: write a list or mapping"),
        ("PENGUIN_HOSTS__SSH_SOURCES", "192.0.2.1/32", "PENGUIN_HOSTS…: write a list or mapping"),
        ("PENGUIN_PLATFORM", "{", "PENGUIN_PLATFORM…: write a list or mapping as JSON"),
        ("PENGUIN_DATABASE", "[]", "PENGUIN_DATABASE: it should be a mapping"),
        ("PENGUIN_PLATFORM__PRICES__ADDRESS", "-1", "PENGUIN_PLATFORM__PRICES__ADDRESS: it should"),
        ("PENGUIN_PLATFORM__ZONE", "Acme.example", "did you mean acme.example?"),
        ("PENGUIN_PLATFORM__DMARC_REPORTS", "a@b.123", "no top-level domain is a number"),
        ("PENGUIN_PLATFORM__PUBLIC_ADDRESS", "app.example", "PUBLIC_ADDRESS: it should be an IPv4"),
        ("PENGUIN_VERIFICATION__ECHO_MX", "echo", "ECHO_MX: write a full domain name"),
        (
            "PENGUIN_IMAGES__REGISTRY",
            "http://mirror",
            "IMAGES__REGISTRY: write a URL such as https",
        ),
        ("PENGUIN_MAIL__PUBLIC_URL", "http://[x", "PUBLIC_URL: write a URL"),
        ("PENGUIN_API__PORT", "65536", "PENGUIN_API__PORT: it should be 65535 or less"),
        ("PENGUIN_MAIL__TOKEN_KEY", "secret", "TOKEN_KEY: write at least 32 bytes in hexadecimal"),
        ("PENGUIN_MAIL__TOKEN_KEYS__1", "00", "TOKEN_KEYS__1: write at least 32 bytes"),
        ("PENGUIN_MAIL__TOKEN_KEYS__32", "00" * 32, "TOKEN_KEYS__32"),
        ("PENGUIN_MAIL__TOKEN_KEYS__x", "00" * 32, "TOKEN_KEYS__X"),
    ],
)
def test_setting_that_cannot_be_read_is_named_with_what_to_write(
    state: Path, monkeypatch: pytest.MonkeyPatch, variable: str, written: str, reason: str
) -> None:
    monkeypatch.setenv(variable, written)
    assert reason in reason_of(state)


def test_settings_that_are_no_text_are_refused(state: Path) -> None:
    (state / SETTINGS_FILE).write_bytes(b"PENGUIN_MAIL__HELO=caf\xe9\n")
    assert reason_of(state) == "the file is not UTF-8"


def test_price_of_one_size_leaves_the_others(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENGUIN_PLATFORM__PRICES__VPS__STARTER", "1099")
    prices = Settings.read(state).platform.prices.vps
    assert (prices[Size.STARTER], prices[Size.BUSINESS]) == (1099, 3899)


def test_operation_may_take_longer_than_a_new_server_takes_to_be_listed_and_to_start() -> None:
    provisioning = timedelta(seconds=Deadlines().provisioning)
    assert ReconcilerSettings().cloud_deadline > 2 * provisioning
