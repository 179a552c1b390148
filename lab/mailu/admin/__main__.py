"""Starts the stand-in: `python3 -m lab.mailu.admin`, with Mailu's environment variables."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

from lab.mailu.admin import cli, settings, start
from lab.mailu.admin.application import assembled
from lab.mailu.admin.dispatch import Dispatcher
from lab.mailu.admin.routes import ROUTES
from lab.mailu.admin.server import IMITATED, NAME, Server

LOG = logging.getLogger("admin")
PORT = 8080


def main() -> int:
    """Run until a signal ends it."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    LOG.warning("this is the %s %s: no code of Mailu runs here", NAME, IMITATED)
    try:
        known = settings.read(os.environ)
    except settings.NotStarted as error:
        LOG.critical("%s", error)
        return 1
    logging.getLogger().setLevel(known.log_level)
    start.become_mailu(known)
    app = assembled(known)
    cli.make_first_administrator(app, os.environ)
    start.wait_for_validation(start.SystemResolver())
    start.wait_for_docker(os.environ)
    address = "::" if known.all_families else "0.0.0.0"  # noqa: S104 - other containers ask it
    server = Server((address, PORT), Dispatcher(app, ROUTES), known.threads)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    LOG.info("serving on port %s with %s threads", PORT, known.threads)
    server.serve_forever()
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
