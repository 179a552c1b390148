"""The sandbox of this checkout: embedded servers, lab and control plane, and their variables."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from blueprint.platform import FIREWALL_PROFILE
from blueprint.render import INBOUND, PEOPLE
from cli.connection import SERVE, serving
from cli.settings import SETTINGS_FILE
from composition.embedded import DATABASE, servers, stop_servers
from composition.settings import Settings
from controlplane.ansible.private_directory import clear_abandoned, default_root
from hostwinds import VERSION as HOSTWINDS_VERSION
from hostwinds.plugin import write_launcher
from kit.database import Role, role_dsn, role_name
from kit.inherited import CONTROL_PLANE
from kit.leftovers import end_leftovers
from kit.locks import locked
from kit.paths import checkout, state_dir
from kit.processes import identity
from kit.waiting import wait_until
from lab import control
from lab.asking import ask
from lab.check import missing as missing_for_hosts
from lab.faults import FAILED
from lab.registry import stand_in
from lab.running import PLATFORM_ZONE, RunningLab, required, running
from sandbox.faults import COMMAND_FAILED, LAB_ALONE, OTHER_INSTALLATION
from tools.pulumi import engine

ZONES = ("acme.example", "globex.example")
"""Zones at Cloudflare of the tenants in `tenants/`."""

MADE_FOR_THE_LAB = "made-for-the-lab"
"""File that marks a state directory whose control plane is removed with the lab."""
LAB_FILES = (
    "settings.env", "master.keys", "context.json", "serve.json", "down", "postgres", "valkey",
    "pulumi",
)  # fmt: skip
STOP_SECONDS = 120.0
"""More than all parts need to end."""
PASS_ENDS_SECONDS = 10
"""Time for a pass to end: its hosts are removed with the lab."""

Progress = Callable[[str], None]


def lab_dir() -> Path:
    """Return the directory of this checkout's lab."""
    return state_dir() / "lab"


def lock() -> AbstractContextManager[None]:
    """Hold the lock of this checkout's sandbox; wait for a demo or start that holds it."""
    other = "  … waiting for another `make demo` or `make up` of this checkout"
    return locked(state_dir(), lambda: print(other, flush=True))


def remove_ended() -> None:
    """Remove the control plane of a lab that has ended, since its hosts no longer exist.

    Raises OTHER_INSTALLATION where the settings are of an installation that was not made for a
    lab: its data stays.
    """
    directory = state_dir()
    mark = directory / MADE_FOR_THE_LAB
    if not mark.exists() and (directory / "settings.env").exists():
        raise OTHER_INSTALLATION(where=directory)
    mark.touch()
    stop_control_plane()
    stop_servers()
    remove_data()


def remove_data() -> None:
    """Remove the data of a control plane that was made for the lab."""
    directory = state_dir()
    if (directory / MADE_FOR_THE_LAB).exists():
        for name in LAB_FILES:
            path = directory / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def start_lab(
    progress: Progress, api_only: str | None = None, *, golden: bool = False
) -> RunningLab:
    """Start the lab, unless it runs; it shares the purchase journal with the reconciler.

    `api_only` is the reason for no real hosts; else this machine is checked for what it lacks.
    """
    lacks = api_only or missing_for_hosts(lab_dir())
    return control.start(lab_dir(), journal_environment(), progress, missing=lacks, golden=golden)


def stop_lab() -> None:
    """End the lab, and remove what a killed one left."""
    control.stop(lab_dir())


def level() -> str:
    """Return how far the running lab goes: `hosts` or `api`."""
    return required(lab_dir()).level


def missing() -> str | None:
    """Return what this machine lacks for real hosts."""
    return required(lab_dir()).missing


def wait_for_receiver() -> None:
    """Return when the lab's receiving server accepts mail: it starts after everything else."""
    if not wait_until(lambda: required(lab_dir()).receiver_ready, seconds=120):
        raise FAILED(part="the receiver", reason="it does not accept mail")


def prepare_providers(zones: Sequence[str] = ZONES) -> None:
    """Delegate zones, make the firewall profile, let the portal's operator buy the addresses."""
    lab = required(lab_dir())
    ports = [int(port.partition("/")[0]) for port in INBOUND + PEOPLE]
    make_profile(lab, FIREWALL_PROFILE, ports)
    for zone in zones:
        ask("POST", f"{lab.cloudflare_url}/_lab/zones", {"name": zone})
    ask("POST", f"{lab.hostwinds_url}/_lab/portal", {"automatic": True})


def make_profile(lab: RunningLab, name: str, ports: Sequence[int]) -> None:
    """Make a firewall profile that lets TCP ports in, as a person does in the provider's portal."""
    url = f"{lab.hostwinds_url}/_lab/portal/profiles"
    ask("POST", url, {"name": name, "ports": list(ports)})


def prepare_control_plane() -> None:
    """Create settings and keys once, and upgrade the database."""
    if not (state_dir() / SETTINGS_FILE).exists():
        penguin("init", "--platform-zone", PLATFORM_ZONE)
    penguin("db", "upgrade")


def start_control_plane(extra: Mapping[str, str] | None = None) -> None:
    """Start all parts in the background, unless they run; `extra` adds variables."""
    if control_plane_pid() is not None:
        return
    (state_dir() / SERVE).unlink(missing_ok=True)
    log = state_dir() / "log" / "serve.log"
    log.parent.mkdir(exist_ok=True)
    command = ["-m", "cli.main", "serve"] if level() == "hosts" else ["-m", "sandbox.serve"]
    with log.open("a") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=checkout(),
            env={**os.environ, **environment(), **(extra or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    if not wait_until(
        lambda: control_plane_pid() is not None or process.poll() is not None, seconds=60
    ):
        process.kill()
    if control_plane_pid() is None:
        raise COMMAND_FAILED(command="serve", where=log)
    process.returncode = 0  # it keeps running after this command


def pin_images() -> None:
    """Let hosts have Mailu by the images that the lab serves."""
    penguin("platform", "images", "pin", stand_in.VERSIONS[-1], "--yes")


def stop_control_plane() -> None:
    """Let the control plane finish its work; return when none of its processes is left."""
    pid = control_plane_pid()
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        if not wait_until(lambda: identity(pid) is None, seconds=STOP_SECONDS):
            os.kill(pid, signal.SIGKILL)
    # Parts of a killed supervisor, processes that they had started, and the keys these used.
    end_leftovers(f"{CONTROL_PLANE}={state_dir()}\0")
    clear_abandoned(default_root())
    (state_dir() / SERVE).unlink(missing_ok=True)


def control_plane_pid() -> int | None:
    """Return the process that wrote `serve.json`, None when it does not run."""
    server = serving()
    return server.pid if server else None


def penguin(*arguments: str) -> None:
    """Run one of our commands; raises COMMAND_FAILED."""
    result = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        cwd=checkout(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if result.returncode:
        print(result.stderr, end="", file=sys.stderr)
        raise COMMAND_FAILED(command=arguments[0])


def journal_environment() -> dict[str, str]:
    """Return where the purchase journal is: a control plane's database, else a file."""
    postgres, _ = servers()
    if postgres.pid() is not None and (state_dir() / SETTINGS_FILE).exists():
        return {"HOSTWINDS_JOURNAL": _login(Role.JOURNAL)}
    return {"HOSTWINDS_JOURNAL": str(lab_dir() / "journal.json")}


def environment() -> dict[str, str]:
    """Return all variables that `pulumi` and `penguin` need in a shell, secrets included."""
    lab = required(lab_dir())
    backend = _login(Role.ENGINE).replace("postgresql://", "postgres://")
    plugin = write_launcher(state_dir() / "engine" / "plugins")
    engine_variables = engine.find().environment(
        state_dir() / "pulumi", {"hostwinds": (HOSTWINDS_VERSION, plugin)}
    )
    passphrase = state_dir() / "pulumi" / "passphrase"
    if not passphrase.exists():
        passphrase.touch(mode=0o600)  # outputs hold no secret, so nothing is encrypted by it
    path = os.pathsep.join((str(Path(sys.executable).parent), engine_variables["PATH"]))
    return {
        **engine_variables,
        "PATH": path,
        "PULUMI_BACKEND_URL": backend,
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
        **journal_environment(),
        **lab.environment(),
        **_control_plane_environment(lab),
        **client_environment(),
    }


def _login(role: Role) -> str:
    """Return the URL by which a role logs in at the embedded database."""
    postgres, _ = servers()
    settings = Settings.read(state_dir())
    password = settings.database.passwords()[role].get_secret_value()
    return role_dsn(
        postgres.dsn(DATABASE), role_name(settings.platform.installation, role), password
    )


def client_environment() -> dict[str, str]:
    """Return the variables of `penguin` and `pulumi up`: address of the API, operator's key."""
    server = serving()
    try:
        key = json.loads((state_dir() / "context.json").read_text())["api_key"]
    except (OSError, ValueError, KeyError):
        return {}
    return {"PENGUIN_API_URL": server.url, "PENGUIN_API_KEY": key} if server else {}


def _control_plane_environment(lab: RunningLab) -> dict[str, str]:
    """Return the settings that a control plane needs to work in this lab."""
    stop = {
        "PENGUIN_RECONCILER__STOP_WITHIN": f"PT{PASS_ENDS_SECONDS}S",
        "PENGUIN_MAIL__STOP_WITHIN": f"PT{PASS_ENDS_SECONDS}S",
    }
    if lab.level == "api":
        return stop
    source = f"{lab.sender_address}/32"
    return {
        **stop,
        "PENGUIN_HOSTS__SENDER_SOURCES": json.dumps([source]),
        "PENGUIN_HOSTS__SSH_SOURCES": json.dumps([source]),
        "PENGUIN_HOSTS__PACKAGE_SOURCES": json.dumps([f"deb [trusted=yes] {lab.packages} ./"]),
        "PENGUIN_HOSTS__TIME_SERVERS": json.dumps([lab.time_server]),
        "PENGUIN_HOSTS__FORWARDERS": json.dumps([lab.resolver]),
        "PENGUIN_HOSTS__TRUST_ANCHOR": lab.trust_anchor or "",
        "PENGUIN_MAIL__PUBLIC_URL": f"https://app.{lab.platform_zone}",
        "PENGUIN_VERIFICATION__RESOLVER": lab.resolver or "",
        "PENGUIN_VERIFICATION__SOURCE": lab.sender_address or "",
        "PENGUIN_VERIFICATION__ECHO_MX": lab.echo_mx or "",
        "PENGUIN_IMAGES__REGISTRY": lab.registry or "",
        "PENGUIN_IMAGES__CA_FILE": str(lab.registry_ca or ""),
        "PENGUIN_CERTIFICATES__FIRST__DIRECTORY": lab.acme or "",
        **(_trusted(lab) if lab.acme else {}),
    }


def _trusted(lab: RunningLab) -> dict[str, str]:
    """Return the files by which the lab's public authority, and what it issues, is trusted."""
    return {
        "PENGUIN_CERTIFICATES__FIRST__CA_FILE": str(lab.acme_ca),
        "PENGUIN_CERTIFICATES__ROOTS": str(lab.acme_root),
    }


def is_up() -> bool:
    """Tell whether the sandbox of this checkout runs, or the lab of one whose control plane died.

    Raises LAB_ALONE for a lab that was started without a control plane: its
    portal reads another purchase journal.
    """
    if running(lab_dir()) is None:
        return False
    if not (state_dir() / "settings.env").exists():
        raise LAB_ALONE()
    return True
