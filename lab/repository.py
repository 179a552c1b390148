"""The package repository for hosts: what the playbooks install beyond the layer of a bare host."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from lab import cgroups, leftovers, network
from lab.commands import run
from lab.layers import GOLDEN, HOST_SOURCES, host_sources

PORT = 8099
URL = f"http://{network.SERVICES}:{PORT}/"
PACKAGES = tuple(
    sorted(
        (
            *GOLDEN,
            "postfix-pcre",
            "python3-cryptography",
            "python3-systemd",
            "rsyslog",
            "ssl-cert",
            "unattended-upgrades",
        )
    )
)
"""Those of golden layers, and what tests install beyond them."""

INDEX = r"""
cd "$0"; rm -rf partial lock
apt-ftparchive packages . > Packages
apt-ftparchive release . > Release.new; mv Release.new Release
"""


def provide(cache: Path, host: Path, progress: Callable[[str], None]) -> Path:
    """Return the directory of the repository, fetched when missing; `host` is a bare host's root.

    apt resolves against what the host's layer has installed, so it fetches just what a host lacks.
    """
    made_of = (*PACKAGES, host.parent.name, INDEX)
    digest = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:16]
    finished = cache / leftovers.CACHE / "repositories" / digest
    if not finished.exists():
        progress("fetching packages for hosts, about 20 s, once on this machine")
        fetching = finished.with_name(f".{digest}")
        shutil.rmtree(fetching, ignore_errors=True)
        for directory in ("lists/partial", "partial"):
            (fetching / directory).mkdir(parents=True)
        _fetch(fetching, host)
        for directory in ("lists", HOST_SOURCES):
            shutil.rmtree(fetching / directory)
        run(*cgroups.inside(cgroups.BUILD, "sh", "-ec", INDEX, str(fetching)))
        fetching.rename(finished)
    return finished


def app(directory: Path) -> Starlette:
    """Return the web server of a repository."""
    return Starlette(routes=[Mount("/", StaticFiles(directory=directory))])


def _fetch(directory: Path, host: Path) -> None:
    options = {
        "Debug::NoLocking": "1",
        "Dir::State::status": f"{host}/var/lib/dpkg/status",
        "Dir::State::lists": f"{directory}/lists",
        "Dir::Cache": str(directory),
        "Dir::Cache::archives": str(directory),
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Dir::Etc::sourcelist": str(host_sources(directory)),
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    run(*cgroups.inside(cgroups.BUILD, *apt, "update"))
    download = ("-y", "--download-only", "--no-install-recommends", "install")
    run(*cgroups.inside(cgroups.BUILD, *apt, *download, *PACKAGES))
