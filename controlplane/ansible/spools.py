"""Reads which mail the Postfix instances of a host have to send."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping

from controlplane.ansible.faults import UNREACHABLE
from controlplane.ansible.shell import OpenSsh
from controlplane.reconciler.ports import Login, ObservedHost

COMMAND = """\
for address in {addresses}; do
    spool=/var/spool/postfix-egress-$address
    test -d "$spool" || continue
    for look in 1 2 3; do
        for queue in maildrop incoming active deferred hold; do
            test ! -d "$spool/$queue" || find "$spool/$queue" -type f -printf "$address %f\\n"
        done
    done
done
echo end"""
"""Prints the name of each file, which is a queue id. A mail that has moved to a queue that was
looked at before is found by the next look."""


class HostSpools:
    """The `Spools` of real hosts."""

    def look(
        self, host: ObservedHost, login: Login, addresses: Collection[str]
    ) -> Mapping[str, Collection[str]]:
        """Return the queue ids of what waits at each of a host's addresses; raises a fault."""
        names = " ".join(map(shlex.quote, sorted(addresses)))
        status, output = OpenSsh().run(host, login, COMMAND.format(addresses=names))
        *lines, last = output.split("\n")[:-1] or [""]
        if status != 0 or last != "end":
            raise UNREACHABLE(reason="its queues cannot be read", where=f"host/{host.name}")
        found: dict[str, set[str]] = {address: set() for address in addresses}
        for line in lines:
            address, _, queue_id = line.partition(" ")
            found[address].add(queue_id)
        return found
