"""The part `antispam`: rspamd, which filters what comes and signs what our users send."""

from __future__ import annotations

import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.mailu.container import environment, texts

LOCAL = Path("/etc/rspamd/local.d")
LUA = Path("/etc/rspamd/rspamd.local.lua")
DATA = Path("/var/lib/rspamd")
OVERRIDES = Path("/overrides")
ACCOUNT = "_rspamd"
PAUSE = 1.0
FILES = (
    "actions.conf",
    "classifier-bayes.conf",
    "dkim_signing.conf",
    "dmarc.conf",
    "force_actions.conf",
    "greylist.conf",
    "logging.inc",
    "milter_headers.conf",
    "multimap.conf",
    "options.inc",
    "redis.conf",
    "worker-controller.inc",
    "worker-normal.inc",
    "worker-proxy.inc",
)
"""Our own settings; an override of one of these names is merged into it."""
OFF = ("asn", "fuzzy_check", "mx_check", "phishing", "rbl", "surbl")
"""Modules that ask services of the Internet, which a lab does not have."""
EXTENSIONS = ("bat", "cmd", "com", "exe", "hta", "js", "lnk", "msi", "pif", "scr", "vbs", "wsf")
"""Kinds of attachments that can be run."""


def start(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Wait for admin, write the configuration, and become rspamd."""
    known = environment.read(environ)
    admin, redis = known.address("admin"), known.address("redis")
    wait_for(f"http://{admin}:8080/ping")
    for name, text in settings(known, admin, redis).items():
        texts.write(LOCAL / name, text)
    texts.write(LUA, texts.text_of("rspamd/rspamd.local.lua", subnet=known.subnet))
    for override in OVERRIDES.glob("*"):
        if override.name not in FILES:
            shutil.copy(override, LOCAL / override.name)
    for path in (DATA, *DATA.rglob("*")):
        shutil.chown(path, ACCOUNT, ACCOUNT)
    command = ["rspamd", "-f", "-u", ACCOUNT, "-g", ACCOUNT, *arguments]
    os.execvpe(command[0], command, dict(environ))  # noqa: S606 - replaces this process


def settings(known: environment.Environment, admin: str, redis: str) -> dict[str, str]:
    """Return the files of local.d."""
    values = {
        "admin": f"http://{admin}:8080",
        "redis": redis,
        "subnet": known.subnet,
        "suffixes": texts.DIRECTORY / "rspamd/suffixes.dat",
        "servers": ", ".join(f'"{server}"' for server in environment.resolvers()),
    }
    files = {
        name: texts.text_of(f"rspamd/{name}", **values)
        + f'.include(try=true,duplicate=merge,priority=1) "{OVERRIDES / name}"\n'
        for name in FILES
    }
    files |= {f"{name}.conf": "enabled = false;\n" for name in OFF}
    extensions = "".join(f"{extension}\n" for extension in EXTENSIONS)
    return {**files, "forbidden_extensions.map": extensions}


def wait_for(url: str) -> None:
    """Return when admin answers; it asks for ever."""
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - admin's, by HTTP
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            print(f"stand-in: admin does not answer yet: {error}", flush=True)
        time.sleep(PAUSE)  # nothing says when admin answers
