"""The digest of what configures hosts: any difference that a run would see makes another one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from controlplane.ansible.configurator import AnsibleConfigurator, ConfiguratorSettings
from controlplane.ansible.playbooks import digest_of

Change = Callable[[Path], object]


@pytest.fixture
def copy(playbooks: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(playbooks, tmp_path / "copy"))


def test_copy_elsewhere_has_the_same_digest(playbooks: Path, copy: Path) -> None:
    assert digest_of(copy, {"a": 1}) == digest_of(playbooks, {"a": 1})


CHANGES: dict[str, Change] = {
    "version of the engine": lambda at: (at / "roles/docker/defaults/main.yml").write_text("a: 1"),
    "task": lambda at: (at / "roles/base/tasks/main.yml").write_text("[]"),
    "module": lambda at: (at / "library/running_units.py").write_text(""),
    "order of roles": lambda at: (at / "site.yml").write_text("[]"),
    "file that moved": lambda at: (at / "site.yml").rename(at / "host.yml"),
    "file that is gone": lambda at: (at / "roles/docker/files/engine_works.sh").unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_playbooks_have_another_digest(copy: Path, change: Change) -> None:
    before = digest_of(copy, {})
    change(copy)
    assert digest_of(copy, {}) != before


@pytest.mark.parametrize(
    "name", ["README.md", "library/__pycache__/running_units.cpython-311.pyc", ".site.yml.swp"]
)
def test_file_that_no_run_reads_does_not_count(copy: Path, name: str) -> None:
    before = digest_of(copy, {})
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_bytes(b"other")
    assert digest_of(copy, {}) == before


def test_setting_of_a_role_counts_and_a_deadline_does_not(playbooks: Path) -> None:
    def digest(*senders: str, seconds: int = 1, authority: str = "") -> str:
        settings = ConfiguratorSettings(
            playbooks,
            sender_sources=senders,
            deadline=timedelta(seconds=seconds),
            registry_authorities={"ghcr.io": authority} if authority else {},
        )
        return AnsibleConfigurator(settings).digest

    assert len({digest(), digest(authority="one"), digest(authority="another")}) == 3
    assert digest("198.51.100.7/32") != digest("198.51.100.8/32")
    assert digest(seconds=2) == digest()
