"""The fence of a host, which it keeps itself: an earlier run of the playbooks changes nothing more.

A process that was stopped for longer than its lease finds, when it continues, that a later one has
raised the fence of each host that it works on.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from controlplane.ansible.errors import Failure, explain
from controlplane.ansible.faults import RUN_UNDER_WAY, SUPERSEDED, UNREACHABLE
from controlplane.ansible.shell import OpenSsh, Session
from controlplane.reconciler.faults import OPERATION_ENDED
from controlplane.reconciler.ports import Login, ObservedHost
from kit.faults import Fault

SOURCE = Path(__file__).with_name("fence.sh")
PROGRAM = "/var/lib/penguin/fence/fence"
REFUSED, BUSY = 113, 114
PATIENCE = timedelta(minutes=3)
"""How long a command of an earlier run may continue: as long as packages wait for one another."""
LOST = "the connection that holds the fence of its run was lost"
BEGIN = """umask 022
mkdir -p {directory} && cat >{program}.$$ <<'END OF FENCE' && mv {program}.$$ {program} || exit 1
{source}
END OF FENCE
exec sh {program} {verb} {token} {seconds}"""


@contextmanager
def raised(
    host: ObservedHost,
    login: Login,
    *,
    cancelled: Callable[[], bool] = lambda: False,
    to: tuple[str, int] | None = None,
    patience: timedelta = PATIENCE,
    beside: bool = False,
) -> Iterator[Session]:
    """Raise the fence of a host, and hold the lock of its run during the block.

    Commands of an earlier run have ended then, after `patience` at most. The session ends where the
    lock is lost, and so does the way `to` an address of the host. Raises SUPERSEDED where a later
    run has raised the fence, in place of the fault of a block that it has interrupted, too.

    `beside` takes no lock, so that a run of the same token may be under way.
    """
    seconds = int(patience.total_seconds())
    command = begin_command(login.fence, program=PROGRAM, seconds=seconds, beside=beside)
    with OpenSsh().session(host, login, command, to=to) as session:
        # It may wait for another begin, and then for a command and for locks.
        line = session.first_line(4 * seconds + 60, cancelled)
        if line is None:
            raise _never_raised(host, is_cancelled=cancelled())
        if line != "held\n":
            raise _not_raised(host, session)
        try:
            yield session
        except Fault as fault:
            if _is_superseded(host, login):
                raise SUPERSEDED(where=f"host/{host.name}") from fault
            if fault.code is OPERATION_ENDED and session.has_ended() and not cancelled():
                raise UNREACHABLE(reason=LOST, where=f"host/{host.name}") from fault
            raise


def fenced(login: Login, command: str) -> str:
    """Return what runs a command on a host, unless a later run has raised the fence there."""
    return shlex.join(["sh", PROGRAM, "run", str(login.fence), command])


def begin_command(token: int, *, program: str, seconds: int, beside: bool = False) -> str:
    """Return what a host runs: it installs the program first, which a new host lacks."""
    return BEGIN.format(
        directory=shlex.quote(program.rpartition("/")[0]),
        program=shlex.quote(program),
        source=SOURCE.read_text().rstrip("\n"),
        verb="join" if beside else "begin",
        token=token,
        seconds=seconds,
    )


def _never_raised(host: ObservedHost, *, is_cancelled: bool) -> Fault:
    where = f"host/{host.name}"
    if is_cancelled:
        return OPERATION_ENDED(reason="the control plane was asked to stop", where=where)
    return UNREACHABLE(reason="its fence is not raised in time", where=where)


def _not_raised(host: ObservedHost, session: Session) -> Fault:
    status, reason = session.result()
    where = f"host/{host.name}"
    if status == REFUSED:
        return SUPERSEDED(where=where)
    if status == BUSY:
        return RUN_UNDER_WAY(where=where)
    return explain(Failure("raise the fence", reason, unreachable=False), host.name)


def _is_superseded(host: ObservedHost, login: Login) -> bool:
    """Return whether a later run has raised the fence; False where the host does not answer."""
    with suppress(Fault):
        return OpenSsh().run(host, login, f"sh {PROGRAM} check {login.fence}")[0] == REFUSED
    return False
