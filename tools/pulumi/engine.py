"""Assembles the engine of this checkout: command, language host, Cloudflare plugin."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kit import files
from kit.launchers import write_launcher
from kit.paths import state_dir
from kit.plugins import SERVED
from tools.faults import ENGINE_MISSING
from tools.pulumi import command
from tools.pulumi.parts import CLOUDFLARE_VERSION, VERSION, Kind, Part

LANGUAGE_HOST = "pulumi-language-python"
CLOUDFLARE_PLUGIN = "pulumi-resource-cloudflare"
GATEWAY = "tools.pulumi.cloudflare_gateway"
"""Serves the gateway that `PulumiEngine` needs, and runs a plugin behind one of its own by hand."""
STAND_IN = "tools.pulumi.cloudflare_plugin"
MARK = "PenguinMails'"
"""Begins the comment of each executable that we write in the place of Pulumi's."""


@dataclass(frozen=True)
class Engine:
    """An engine that is ready to run. `root/bin/pulumi` is the command."""

    root: Path
    cli: Part
    language: Part
    cloudflare: Part
    """The plugin that the gateway runs."""
    gateway: Path
    """The executable that the engine starts as the plugin (`tools.pulumi.cloudflare_gateway`)."""

    def environment(
        self, home: Path, plugins: Mapping[str, tuple[str, Path]] | None = None
    ) -> dict[str, str]:
        """Set up `home` as PULUMI_HOME and return the variables that every call needs.

        `plugins` maps further resource plugins to (version, executable). Backend, passphrase and
        provider credentials are the caller's.
        """
        all_plugins = {"cloudflare": (self.cloudflare.version, self.gateway)}
        all_plugins.update(plugins or {})
        for name, (version, executable) in all_plugins.items():
            directory = home / "plugins" / f"resource-{name}-v{version}"
            directory.mkdir(parents=True, exist_ok=True)
            files.link(directory / f"pulumi-resource-{name}", executable)
        own = self.cloudflare.kind is Kind.STAND_IN
        return {
            SERVED: f"cloudflare={STAND_IN}" if own else "",
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
            # An address that waits for the provider's portal delays only itself.
            "PULUMI_CONTINUE_ON_ERROR": "true",
            "NO_COLOR": "1",
            # A command is short and small: to collect its garbage as often as a server's takes an
            # eighth of its time.
            "GOGC": "400",
            "GOMEMLIMIT": "256MiB",
        }


def is_installed() -> bool:
    """Tell whether this machine has a command of our version."""
    return _command() is not None


def find() -> Engine:
    """Return the engine of this machine. Raises ENGINE_MISSING where it has none."""
    cli = _command()
    if cli is None:
        raise ENGINE_MISSING(version=VERSION)
    root = _root_for(cli)
    plugin = _cloudflare_plugin()
    return Engine(root, cli, _language_host(cli, root), plugin, gateway_to(plugin))


def gateway_to(plugin: Part) -> Path:
    """Write the executable that runs a Cloudflare plugin behind our gateway; return it."""
    official = [str(plugin.path)] if plugin.kind is Kind.OFFICIAL else []
    path = _root() / "plugins" / plugin.kind.value / CLOUDFLARE_PLUGIN
    return _launcher(path, GATEWAY, official)


def install(progress: command.Progress) -> Engine:
    """Return the engine, downloading or building the command where it is missing."""
    if not is_installed() and command.download(progress) is None:
        command.build(progress)
    return find()


def _command() -> Part | None:
    return command.on_path(ours=(_root(),)) or command.cached()


def _root() -> Path:
    return state_dir() / "engine"


def _root_for(cli: Part) -> Path:
    """Return a directory whose `bin` contains command and language host side by side.

    The engine searches its language hosts beside its own real path. An official distribution has
    both; otherwise a link or copy of the command is put into a directory of this checkout.
    """
    if (cli.path.parent / LANGUAGE_HOST).exists():
        return cli.path.parent.parent
    root = _root()
    beside = root / "bin" / "pulumi"
    beside.parent.mkdir(parents=True, exist_ok=True)
    if not _same(beside, cli.path):
        files.copy(beside, cli.path)
    return root


def _same(copy: Path, original: Path) -> bool:
    """Tell whether `copy` is a second name or a faithful copy of `original`."""
    if not copy.exists():
        return False
    ours, theirs = copy.stat(), original.stat()
    return copy.samefile(original) or (ours.st_size, ours.st_mtime_ns) == (
        theirs.st_size,
        theirs.st_mtime_ns,
    )


def _language_host(cli: Part, root: Path) -> Part:
    official = cli.path.parent / LANGUAGE_HOST
    if official.exists():
        return Part(LANGUAGE_HOST, VERSION, Kind.OFFICIAL, official)
    path = _launcher(root / "bin" / LANGUAGE_HOST, "tools.pulumi.language_host")
    return Part(LANGUAGE_HOST, VERSION, Kind.STAND_IN, path)


def _cloudflare_plugin() -> Part:
    home = Path(os.environ.get("PULUMI_HOME", Path.home() / ".pulumi"))
    official = home / "plugins" / f"resource-cloudflare-v{CLOUDFLARE_VERSION}" / CLOUDFLARE_PLUGIN
    if official.exists() and not _is_launcher(official):
        return Part(CLOUDFLARE_PLUGIN, CLOUDFLARE_VERSION, Kind.OFFICIAL, official)
    stand_in = Path(__file__).with_name("cloudflare_plugin.py")
    return Part(CLOUDFLARE_PLUGIN, CLOUDFLARE_VERSION, Kind.STAND_IN, stand_in)


def _launcher(path: Path, module: str, arguments: Sequence[str] = ()) -> Path:
    return write_launcher(
        path, module, arguments=arguments, comment=f"{MARK} launcher of {path.name}"
    )


def _is_launcher(path: Path) -> bool:
    with path.open("rb") as file:
        return MARK.encode() in file.read(4096)
