"""Assembles an engine for this checkout: the command, a language host, a Cloudflare plugin."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.places import checkout, state_dir
from tools.pulumi import command
from tools.pulumi.parts import CLOUDFLARE_VERSION, VERSION, EngineError, Origin, Part

LANGUAGE_HOST = "pulumi-language-python"
CLOUDFLARE_PLUGIN = "pulumi-resource-cloudflare"


@dataclass(frozen=True)
class Engine:
    """An engine that is ready to run. `root/bin/pulumi` is the command."""

    root: Path
    cli: Part
    language: Part
    cloudflare: Part

    def environment(
        self, home: Path, plugins: Mapping[str, tuple[str, Path]] | None = None
    ) -> dict[str, str]:
        """Lay out `home` as PULUMI_HOME and return the variables that every call needs.

        `plugins` maps further resource plugins to (version, executable). Backend, passphrase and
        provider credentials are the caller's.
        """
        all_plugins = {"cloudflare": (self.cloudflare.version, self.cloudflare.path)}
        all_plugins.update(plugins or {})
        for name, (version, executable) in all_plugins.items():
            place = home / "plugins" / f"resource-{name}-v{version}"
            place.mkdir(parents=True, exist_ok=True)
            _link(place / f"pulumi-resource-{name}", executable)
        return {
            "PATH": f"{self.root / 'bin'}{os.pathsep}{os.environ.get('PATH', '/usr/bin:/bin')}",
            "PULUMI_HOME": str(home),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
            "PULUMI_CREDENTIAL_STORE": "plaintext",
            "PULUMI_DISABLE_REGISTRY_RESOLVE": "true",
            "PULUMI_DIY_BACKEND_GZIP": "true",
            "PULUMI_DISABLE_CHECKPOINT_BACKUPS": "true",
            "PULUMI_PARALLEL_DIFF": "true",
            # An address that waits for the provider's portal holds back only itself.
            "PULUMI_CONTINUE_ON_ERROR": "true",
            "NO_COLOR": "1",
        }


def find() -> Engine | None:
    """Return the engine of this machine, None while there is no command of our version."""
    cli = command.on_path() or command.cached()
    if cli is None:
        return None
    root = _root_for(cli)
    return Engine(root, cli, _language_host(cli, root), _cloudflare_plugin(root))


def obtain(progress: command.Progress) -> Engine:
    """Return the engine, downloading or building the command where it is missing."""
    if find() is None and command.download(progress) is None:
        command.build(progress)
    engine = find()
    if engine is None:
        raise EngineError(
            "engine.missing",
            f"the Pulumi command {VERSION} was built but is not there",
            remedy="run `penguin engine build` again",
        )
    return engine


def _root_for(cli: Part) -> Path:
    """Return a directory whose bin holds command and language host side by side.

    The engine looks for its language hosts beside its own real path. An official distribution is
    whole; otherwise we put a second name of the command into a directory of this checkout.
    """
    if (cli.path.parent / LANGUAGE_HOST).exists():
        return cli.path.parent.parent
    root = state_dir() / "engine"
    beside = root / "bin" / "pulumi"
    beside.parent.mkdir(parents=True, exist_ok=True)
    if not beside.exists() or not beside.samefile(cli.path):
        fresh = beside.with_name(f".pulumi.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        try:
            fresh.hardlink_to(cli.path)
        except OSError:  # another file system
            shutil.copy2(cli.path, fresh)
        if not beside.exists() or beside.stat().st_size != fresh.stat().st_size:
            fresh.replace(beside)
        fresh.unlink(missing_ok=True)
    return root


def _language_host(cli: Part, root: Path) -> Part:
    official = cli.path.parent / LANGUAGE_HOST
    if official.exists():
        return Part(LANGUAGE_HOST, VERSION, Origin.OFFICIAL, official)
    path = _launcher(root / "bin" / LANGUAGE_HOST, "tools.pulumi.language_host")
    return Part(LANGUAGE_HOST, VERSION, Origin.STAND_IN, path)


def _cloudflare_plugin(root: Path) -> Part:
    home = Path(os.environ.get("PULUMI_HOME", Path.home() / ".pulumi"))
    official = home / "plugins" / f"resource-cloudflare-v{CLOUDFLARE_VERSION}" / CLOUDFLARE_PLUGIN
    if official.exists() and b"tools.pulumi" not in official.read_bytes()[:4096]:
        return Part(CLOUDFLARE_PLUGIN, CLOUDFLARE_VERSION, Origin.OFFICIAL, official)
    path = _launcher(root / "plugins" / CLOUDFLARE_PLUGIN, "tools.pulumi.cloudflare_plugin")
    return Part(CLOUDFLARE_PLUGIN, CLOUDFLARE_VERSION, Origin.STAND_IN, path)


def _launcher(path: Path, module: str) -> Path:
    """Write an executable that runs one of our modules with this interpreter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    script = (
        "#!/bin/sh\n"
        f"# PenguinMails' stand-in for {path.name}; used only where that is missing.\n"
        f'cd "{checkout()}" || exit 1\n'
        f'exec "{sys.executable}" -m {module} "$@"\n'
    )
    if not path.exists() or path.read_text() != script:
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fresh.write_text(script)
        fresh.chmod(0o755)
        fresh.replace(path)
    return path


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)
