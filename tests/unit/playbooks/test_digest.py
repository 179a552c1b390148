"""The digest of what configures hosts: any difference that a run would see makes another one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from blueprint.document import Blueprint, Cost
from controlplane.ansible.configurator import AnsibleConfigurator, ConfiguratorSettings
from controlplane.ansible.host_variables import host_variables
from controlplane.ansible.playbooks import digest_of
from controlplane.reconciler.ports import ObservedHost

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


def test_setting_of_a_role_counts_and_a_deadline_does_not(
    playbooks: Path, blueprint: Blueprint, observe: Callable[..., ObservedHost]
) -> None:
    """A network of the sender that is another one reaches every host."""
    first = set()

    def digest(*senders: str, seconds: int = 1, authority: str = "") -> str:
        settings = ConfiguratorSettings(
            playbooks,
            sender_sources=senders,
            deadline=timedelta(seconds=seconds),
            registry_authorities={"ghcr.io": authority} if authority else {},
        )
        own, settings_digest = AnsibleConfigurator(settings).digests(
            blueprint, observe(blueprint), ()
        )
        first.add(own)
        return settings_digest

    assert len({digest(), digest(authority="one"), digest(authority="another")}) == 3
    assert digest("198.51.100.7/32") != digest("198.51.100.8/32")
    assert digest(seconds=2) == digest()
    assert len(first) == 1


def test_what_no_role_reads_does_not_count(
    playbooks: Path,
    make_blueprint: Callable[[int], Blueprint],
    observe: Callable[..., ObservedHost],
) -> None:
    configurator = AnsibleConfigurator(ConfiguratorSettings(playbooks, sender_sources=()))

    def digests(blueprint: Blueprint, *waiting: str) -> tuple[str, str]:
        return configurator.digests(blueprint, observe(blueprint, waiting=waiting), ())

    blueprint = make_blueprint(2)
    other = {"cost": Cost(items=(), usd_cents=1), "generation": 7, "digest": "sha256:other"}
    assert digests(blueprint.model_copy(update=other)) == digests(blueprint)
    assert digests(make_blueprint(3)) != digests(blueprint)
    assert digests(blueprint, "mx1-2") != digests(blueprint)


def test_every_variable_of_a_host_is_read_by_a_role(
    playbooks: Path, blueprint: Blueprint, observe: Callable[..., ObservedHost]
) -> None:
    """One that none reads would configure hosts again for nothing."""
    files = (path for path in playbooks.rglob("*") if path.suffix in {".yml", ".j2"})
    read = set(re.findall(r"\bhost\.([a-z_]+)", "\n".join(file.read_text() for file in files)))
    assert set(host_variables(blueprint, observe(blueprint), ())) == read
