#!/usr/bin/python3

"""Asks a resolver for a signed name and a broken one, and fails unless it validates.

The first has to be answered as validated (AD, RFC 4035 3.2.3), the second not at all.
"""

from __future__ import annotations

import json
import secrets
import socket
import struct
import time

ARGUMENTS = r"""<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>"""
"""Ansible writes them here: see "Modules" in playbooks/README.md."""
PORT = 53
TIMEOUT = 5.0
"""Seconds for each answer."""
PAUSE = 0.2
QUESTION = 0x0120
"""RD: look it up; AD: say whether it was validated (RFC 6840 5.7)."""
AUTHENTIC = 0x0020
SOA, IN = 6, 1
CODES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}


def ask(server: str, name: str, port: int = PORT) -> tuple[str, bool, int]:
    """Return code, whether it was validated, and the number of records; raises OSError."""
    ident = secrets.token_bytes(2)
    labels = b"".join(bytes([len(label)]) + label for label in name.encode().split(b"."))
    question = struct.pack("!2s5H", ident, QUESTION, 1, 0, 0, 0) + labels + b"\0"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        stream.settimeout(TIMEOUT)
        stream.connect((server, port))
        stream.send(question + struct.pack("!2H", SOA, IN))
        answer = stream.recv(4096)
    if answer[:2] != ident:
        raise OSError("its answer is no answer to the question")
    _, flags, _, records, *_ = struct.unpack("!2s5H", answer[:12])
    return CODES.get(flags & 15, str(flags & 15)), bool(flags & AUTHENTIC), records


def unproven(
    server: str, signed: str, broken: str, patience: float, port: int = PORT
) -> str | None:
    """Return why the resolver does not validate; None when it does.

    `patience` is for one that has just started: it fetches the keys of the root first.
    """
    deadline = time.monotonic() + patience
    while (reason := _signed(server, signed, port)) is not None:
        if time.monotonic() > deadline:
            return reason
        time.sleep(PAUSE)
    try:
        _, _, records = ask(server, broken, port)
    except OSError:
        return None  # it gives no answer, however long it tries
    return f"{server} answers {broken}, whose signature is broken" if records else None


def _signed(server: str, name: str, port: int) -> str | None:
    try:
        code, authentic, records = ask(server, name, port)
    except OSError as error:
        return f"{server} does not answer {name}: {error}"
    if code != "NOERROR" or not records:
        return f"{server} answers {name} with {code}"
    return None if authentic else f"{server} answers {name} without validation"


def main() -> None:
    """Ask and judge."""
    given = json.loads(ARGUMENTS)
    reason = unproven(given["server"], given["signed"], given["broken"], float(given["patience"]))
    failed = {"failed": True, "msg": f"the resolver does not validate: {reason}"}
    print(json.dumps({"changed": False} if reason is None else failed))


if __name__ == "__main__":
    main()
