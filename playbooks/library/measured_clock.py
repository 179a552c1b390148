#!/usr/bin/python3

"""Measures the clock against time servers (SNTP, RFC 4330); fails where it is wrong.

The clock is right where more than half of the servers that answer agree with it. A host whose
clock is wrong takes valid certificates and DNS signatures for expired ones.
"""

from __future__ import annotations

import json
import secrets
import socket
import struct
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

ARGUMENTS = r"""<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>"""
"""Ansible writes them here: see "Modules" in playbooks/README.md."""
PORT = 123
TIMEOUT = 2.0
"""Seconds for each answer. One that took longer would prove less, so that it is asked for again."""
PAUSES = (0.0, 0.0, 1.0, 3.0, 6.0, 10.0)
"""Seconds before each try: a server that is overloaded or restarted answers a later one."""
CLIENT = 0x23
"""Version 4, mode 3; a server answers with mode 4."""
SERVER_MODE = 4
UNSYNCHRONISED = 3
HIGHEST_STRATUM = 15
SINCE_1900 = 2208988800
ERA = 2**32
"""Seconds after which the timestamps of NTP begin again: in 2036."""


class Measured(NamedTuple):
    """What one server says of the clock."""

    server: str
    offset: float
    """Seconds by which the clock is behind the server."""
    uncertainty: float
    """Half of the round trip: by so much the offset may be wrong."""


class Silent(NamedTuple):
    """A server without an answer that can be used."""

    server: str
    reason: str


def measure(
    name: str,
    address: str,
    port: int = PORT,
    timeout: float = TIMEOUT,
    pauses: Sequence[float] = PAUSES,
) -> Measured | Silent:
    """Ask one server."""
    reason = ""
    for pause in pauses:
        time.sleep(pause)  # nothing says when a server answers again
        try:
            return _ask(name, address, port, timeout)
        except (OSError, ValueError) as error:
            reason = str(error)
    return Silent(name, reason)


def verdict(results: list[Measured | Silent], limit: float) -> str | None:
    """Return why the clock is not proven to be right; None when it is."""
    measured = [result for result in results if isinstance(result, Measured)]
    if not measured:
        silent = "; ".join(f"{result[0]}: {result[1]}" for result in results)
        return f"no time server answers: {silent or 'none is configured'}"
    wrong = [seen for seen in measured if abs(seen.offset) - seen.uncertainty > limit]
    if 2 * len(wrong) < len(measured):
        return None
    return f"the clock is {', '.join(map(_described, wrong))} (limit: {limit:g} s)"


def _described(seen: Measured) -> str:
    side = "behind" if seen.offset > 0 else "ahead of"
    return f"{abs(seen.offset):.1f} s {side} {seen.server}"


def _ask(name: str, address: str, port: int, timeout: float) -> Measured:
    # The server returns our timestamp: random bits in its place let nobody forge an answer.
    mark = secrets.token_bytes(8)
    request = struct.pack("!B39x8s", CLIENT, mark)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        stream.settimeout(timeout)
        stream.connect((address, port))
        sent, began = time.time(), time.monotonic()
        stream.send(request)
        answer = stream.recv(1024)
        round_trip = time.monotonic() - began
    if len(answer) < len(request) or answer[24:32] != mark or answer[0] & 7 != SERVER_MODE:
        raise ValueError("its answer is no answer to the question")
    if answer[0] >> 6 == UNSYNCHRONISED or not 0 < answer[1] <= HIGHEST_STRATUM:
        raise ValueError("it is not synchronised itself")
    received, replied = _seconds(answer[32:40]), _seconds(answer[40:48])
    offset = ((received - sent) + (replied - (sent + round_trip))) / 2
    return Measured(name, offset, max(0.0, round_trip - (replied - received)) / 2)


def _seconds(timestamp: bytes) -> float:
    whole, fraction = struct.unpack("!II", timestamp)
    seconds = whole - SINCE_1900 + (0 if whole >= SINCE_1900 else ERA)
    return float(seconds + fraction / 2**32)


def main() -> None:
    """Ask all servers at once and judge."""
    arguments = json.loads(ARGUMENTS)
    servers: list[dict[str, str]] = arguments["servers"]
    with ThreadPoolExecutor(max(1, len(servers))) as pool:
        results = list(pool.map(lambda one: measure(one["name"], one["address"]), servers))
    reason = verdict(results, float(arguments["limit"]))
    if reason is not None:
        print(json.dumps({"failed": True, "msg": reason}))
        return
    print(json.dumps({"changed": False, "measured": [result._asdict() for result in results]}))


if __name__ == "__main__":
    main()
