"""Tells whether a process that left a lock behind was one of ours."""

from __future__ import annotations

from collections.abc import Callable

import psycopg


def owned_by_us(dsn: str) -> Callable[[str, int], bool]:
    """Return a question for (machine, process number): did it run an operation in the cloud?

    `dsn` is the controller's.
    """

    def ask(host: str, process: int) -> bool:
        with psycopg.connect(dsn, connect_timeout=5) as connection:
            found = connection.execute(
                "select 1 from oltp.operations where host = %s and process = %s "
                "and phase = 'cloud' limit 1",
                [host, process],
            )
            return found.fetchone() is not None

    return ask
