"""Mail of before is moved when Mailu has all that is declared."""

from __future__ import annotations

from dataclasses import replace

from blueprint.document import Blueprint, Dkim
from controlplane.mailu.comparison import Plan
from controlplane.mailu.declared import declared
from controlplane.mailu.faults import INCOMPLETE
from controlplane.mailu.of_blueprint import mail_of
from controlplane.reconciler.moved_mail import lacking_nothing
from tests.support.faults import fault_shown
from tests.support.tenants import rendered, tenant

TEXT = (
    tenant("mx1@acme.example", domains="acme.example").replace("mail: none", "mail: mailu")
    + "  mailboxes: [{address: ann@acme.example, aliases: [a@acme.example]}, "
    "{address: a/b@acme.example}]\n"
)
PRESENT = frozenset({"acme.example", "ann@acme.example", "penguinmails@acme.example"})


def blueprint(*, with_key: bool = True) -> Blueprint:
    made = rendered(TEXT)
    assert made.keys is not None
    people = {"acme.example": Dkim(selector="mu1", public_key="TVUx")} if with_key else {}
    return made.model_copy(update={"keys": made.keys.model_copy(update={"people": people})})


def movable(of: Blueprint, plan: Plan) -> frozenset[str]:
    [host] = of.hosts
    return lacking_nothing(of, host, mail_of(of, host), plan)


def test_mailboxes_of_people_are_moved_but_for_names_that_mailu_cannot_have() -> None:
    assert movable(blueprint(), Plan(present=PRESENT)) == {"ann@acme.example"}


def test_a_mailbox_that_is_missing_is_waited_for() -> None:
    with fault_shown(INCOMPLETE, names="ann@acme.example"):
        movable(blueprint(), Plan(present=PRESENT - {"ann@acme.example"}))


def test_an_alias_that_is_missing_is_waited_for() -> None:
    of = blueprint()
    [alias] = [
        each for each in declared([mail_of(of, of.hosts[0])]).objects if each.key[:2] == "a@"
    ]
    with fault_shown(INCOMPLETE, names="a@acme.example"):
        movable(of, replace(Plan(present=PRESENT), writes=(alias,)))


def test_a_domain_whose_key_is_missing_is_waited_for() -> None:
    with fault_shown(INCOMPLETE, names="acme.example"):
        movable(blueprint(with_key=False), Plan(present=PRESENT))
