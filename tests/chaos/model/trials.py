"""Runs that need one protection each: without it the model finds what is wrong, else nothing."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.model.documents import TENANTS, Declared
from tests.chaos.model.ends import Target
from tests.chaos.model.model import Meanwhile, Model
from tests.chaos.reconciler.switches import Without

ORDERED = "after add_instance"
ONE, TWO = Declared(TENANTS[0]), Declared(TENANTS[0], {"mx1": 1, "mx2": 1})


def order_twice(model: Model) -> None:
    """Kill an operation that has the answer of its order, before the server is listed."""
    model.declare(ONE)
    model.end_at(Target.OPERATION, ORDERED)
    model.work(60, 4)


def end_what_is_wanted_again(model: Model) -> None:
    """Stop an operation right before it ends a server, and let it go on when that is wanted."""
    model.declare(TWO)
    model.settle()
    model.declare(ONE)
    model.end_at(Target.PAUSED, "before terminate", Meanwhile.FORMER)


def work_beside(model: Model) -> None:
    """Stop an operation whose lease does not end, while another reconciler works."""
    model.declare(ONE)
    model.end_at(Target.PAUSED, "before get_price_list", Meanwhile.LEASED)


def end_in_the_portal(model: Model) -> None:
    """End a server in the portal, and let nothing else happen."""
    model.declare(ONE)
    model.settle()
    model.portal("end", 0)


def leave_what_was_bought(model: Model) -> None:
    """Kill an operation that has bought a server, which is not wanted any more afterwards."""
    model.declare(ONE)
    model.settle()
    model.declare(TWO)
    model.end_at(Target.OPERATION, ORDERED)
    model.declare(ONE)


def order_what_is_frozen(model: Model) -> None:
    """Declare a tenant while orders are frozen."""
    model.freeze("freeze", "purchases")
    model.declare(ONE)
    model.work(1, 4)


TRIALS: dict[Without, tuple[Callable[[Model], None], str]] = {
    Without.INTENT: (order_twice, "was bought as .* beside"),
    Without.FENCE: (end_what_is_wanted_again, "was ended, and its document wants it"),
    Without.LEASE: (work_beside, "two operations at a time"),
    Without.SWEEP: (end_in_the_portal, "which is Ready, is not there"),
    Without.UNTRACKED: (leave_what_was_bought, "is wanted by nobody"),
    Without.FREEZE: (order_what_is_frozen, "purchases are frozen"),
}
"""By what they need: what happens, and what is found without it when all has settled."""
