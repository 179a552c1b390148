"""`--yes-destroy-mail` is what a request that destroys mail needs, and `--yes` alone is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from controlplane.tenants.schemas import EXAMPLE, EXAMPLE_RESPONSE
from tests.support.recording_api import RecordingApi

AGREED = {"destroy_mail": "true"}


@pytest.fixture
def api(configured: None) -> RecordingApi:
    return RecordingApi(lambda *_: EXAMPLE_RESPONSE)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "acme.yaml"
    path.write_text(yaml.safe_dump(EXAMPLE))
    return str(path)


def test_apply_agrees_only_with_the_option(api: RecordingApi, file: str) -> None:
    assert api.penguin("apply", "-f", file) == 0
    assert api.query == {}
    assert api.penguin("apply", "-f", file, "--yes-destroy-mail") == 0
    assert (api.path, api.query) == ("/tenants/acme", AGREED)


def test_delete_agrees_only_with_the_option(api: RecordingApi) -> None:
    assert api.penguin("delete", "tenant/acme", "--yes") == 0
    assert api.query == {}
    assert api.penguin("delete", "tenant/acme", "--yes", "--yes-destroy-mail") == 0
    assert (api.path, api.query) == ("/tenants/acme", AGREED)
