"""The command line's settings for a fake API."""

from __future__ import annotations

import pytest


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENGUIN_API_URL", "http://api.example")
    monkeypatch.setenv("PENGUIN_API_KEY", "key")
