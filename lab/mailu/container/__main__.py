"""Starts the part that an image's name means: `python3 -m lab.mailu.container resolver`.

It runs in the image with what Debian 12 has, so it uses the standard library and dnspython.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lab.mailu.container import (
    admin,
    antispam,
    front,
    imap,
    redis,
    resolver,
    smtp,
    webmail,
)
from lab.mailu.container.environment import Refused

PARTS = {
    "admin": admin.start,
    "antispam": antispam.start,
    "front": front.start,
    "imap": imap.start,
    "redis": redis.start,
    "resolver": resolver.start,
    "smtp": smtp.start,
    "webmail": webmail.start,
}
CONFIGURATION_ERROR = 78
"""EX_CONFIG of sysexits."""


def main() -> None:
    """Become the part; the rest of the command line is its own."""
    part, *arguments = sys.argv[1:]
    print(f"stand-in: {part} of the lab; this is not Mailu's code", flush=True)
    secret = os.environ.get("SECRET_KEY_FILE")
    if secret is not None and not Path(secret).exists():
        _end(f"SECRET_KEY_FILE={secret} does not exist")  # as in every container of Mailu
    if part not in PARTS:
        _end(f"{part} is not part of this stand-in")
    try:
        PARTS[part](arguments, os.environ)
    except Refused as refusal:
        _end(str(refusal))


def _end(reason: str) -> None:
    print(f"stand-in: {reason}", file=sys.stderr, flush=True)
    sys.exit(CONFIGURATION_ERROR)


if __name__ == "__main__":
    main()
