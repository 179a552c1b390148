"""Reads which mail the Postfix instances of a host, and its Mailu, have to send."""

from __future__ import annotations

import shlex
from collections.abc import Collection

from controlplane.ansible.faults import UNREACHABLE
from controlplane.ansible.shell import OpenSsh
from controlplane.reconciler.mail_ports import Spooled
from controlplane.reconciler.ports import Login, ObservedHost

COMMAND = """\
for address in {addresses} {mailu}; do
    case $address in
    {mailu}) spool={mailu_queue} ;;
    *) spool=/var/spool/postfix-egress-$address ;;
    esac
    test -d "$spool" || continue
    for look in 1 2 3; do
        for queue in maildrop incoming active deferred hold; do
            test ! -d "$spool/$queue" || find "$spool/$queue" -type f -printf "$address %f\\n"{grep}
        done
    done
done
echo end"""
"""Prints the name of each file, which is a queue id. A mail that has moved to a queue that was
looked at before is found by the next look."""
GREP = " -exec grep -aoFHm 1{patterns} {{}} +"
"""Prints path and domain of files with an address in a domain, as envelopes have it in clear.
A message that only mentions one is found as well: that is seldom, and it is kept for longer."""
MAILU, MAILU_QUEUE = ".", "/mailu/mailqueue"
"""In place of an address, which is never a dot; the directory is there on hosts with Mailu."""


class HostSpools:
    """The `Spools` of real hosts."""

    def look(
        self,
        host: ObservedHost,
        login: Login,
        addresses: Collection[str],
        return_paths: Collection[str] = (),
    ) -> Spooled:
        """Return the queue ids of what waits; raises a fault."""
        status, output = OpenSsh().run(host, login, _command(addresses, return_paths))
        *lines, last = output.split("\n")[:-1] or [""]
        if status != 0 or last != "end":
            raise UNREACHABLE(reason="its queues cannot be read", where=f"host/{host.name}")
        at_address: dict[str, set[str]] = {address: set() for address in (*addresses, MAILU)}
        of_return_path: dict[str, set[str]] = {path: set() for path in return_paths}
        for line in lines:
            file, is_match, path = line.partition(":@")
            if is_match:
                of_return_path[path].add(file.rpartition("/")[2])
            else:
                address, _, queue_id = line.partition(" ")
                at_address[address].add(queue_id)
        return Spooled(at_address, of_return_path, at_address.pop(MAILU))


def _command(addresses: Collection[str], return_paths: Collection[str]) -> str:
    patterns = "".join(f" -e {shlex.quote(f'@{path}')}" for path in sorted(return_paths))
    return COMMAND.format(
        addresses=" ".join(map(shlex.quote, sorted(addresses))),
        grep=GREP.format(patterns=patterns) if patterns else "",
        mailu=MAILU,
        mailu_queue=MAILU_QUEUE,
    )
