"""Settings of this machine's installation: `settings.env` in the state directory, environment."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from blueprint import shape
from blueprint.platform import OFFLINE, Platform
from cli.faults import SETTINGS_INVALID, USAGE
from kit.paths import state_dir

ZONE = "penguinmails.example"
SETTINGS_FILE = "settings.env"
PREFIX = "PENGUIN_"

S = TypeVar("S", bound=BaseSettings)


class _Settings(BaseSettings):
    """The platform as a client without a control plane configures it."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="ignore")

    platform: Platform = Platform(installation=OFFLINE, zone=ZONE)

    @field_validator("platform", mode="before")
    @classmethod
    def _with_defaults(cls, given: object) -> object:
        """Add what a client without an installation need not set."""
        if not isinstance(given, dict):
            return given
        return {"installation": OFFLINE, "zone": ZONE, **given}


def platform() -> Platform:
    """Return the platform of this installation's settings, else the default one."""
    file = state_dir() / SETTINGS_FILE
    return read(_Settings, file if os.access(file, os.R_OK) else None).platform


def platform_of(zone: str) -> Platform:
    """Return the default platform with another zone."""
    try:
        return Platform(installation=OFFLINE, zone=zone)
    except ValidationError:
        raise USAGE(
            mistake=f"{zone} cannot be the platform's zone",
            remedy="give a full domain name in lower case, such as penguinmails.example",
        ) from None


def read(model: type[S], file: Path | None) -> S:
    """Return the settings of a file and of the environment.

    Raises SETTINGS_INVALID, without the values.
    """
    try:
        return model(_env_file=file)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        reasons = [f"{_variable(*detail['loc'])}: {shape.expected(detail)}" for detail in details]
    except SettingsError as error:
        named = re.search('field "(.*?)"', str(error))
        variable = _variable(named[1] if named else "")
        reasons = [f'{variable}…: write a list or mapping as JSON, such as ["a", "b"]']
    except UnicodeDecodeError:
        reasons = ["the file is not UTF-8"]
    except OSError as error:
        reasons = [f"the file cannot be read: {error.strerror}"]
    raise SETTINGS_INVALID(reasons="; ".join(reasons), where=file or "the environment")


def _variable(*path: int | str) -> str:
    """Return the environment variable of a setting."""
    return f"{PREFIX}{'__'.join(str(step).upper() for step in path)}"
