"""Lets front's servers read a certificate that has changed.

A certificate that comes after the start opens nginx's ports; Dovecot is started only at the start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from lab.mailu.container import certificates, environment, front
from lab.mailu.container.processes import DOVECOT_PID

PAUSE = 1.0


def watch(admin: str, seen: certificates.State) -> None:
    """Reload the servers after each change of the files since they were `seen`, for ever."""
    known = environment.read(os.environ)
    while True:
        if (now := certificates.state()) != seen:
            seen = now
            front.write_nginx(known, admin)
            print("stand-in: the certificate has changed", flush=True)
            subprocess.run(("nginx", "-s", "reload"), check=False)
            if DOVECOT_PID.exists():
                config = str(front.DOVECOT / "stand-in.conf")
                subprocess.run(("doveadm", "-c", config, "reload"), check=False)
        time.sleep(PAUSE)  # Python's library has no notice of changed files


if __name__ == "__main__":
    watch(sys.argv[1], json.loads(sys.argv[2]))
