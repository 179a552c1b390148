"""Errors of the reconciler itself."""

from __future__ import annotations

from kit.faults import Actor, Table

FAULTS = Table("reconciler", "Bringing a tenant to its desired state")

FAILED = FAULTS.code(
    "reconciler.failed",
    message="{what} failed with an internal error",
    remedy="report it with the log entry; it is retried",
    cause="A defect of PenguinMails or of its database; the log has the details.",
    example={"what": "phase dns"},
    retryable=True,
    acts=Actor.OPERATOR,
)
OPERATION_ENDED = FAULTS.code(
    "operation.ended",
    message="the operation was interrupted: {reason}",
    remedy="wait: the next run continues from the resources that exist",
    cause="It took longer than its deadline, the control plane was asked to stop, or its process "
    "was killed, for example by lack of memory. The operation's log shows the last step.",
    example={"reason": "it took longer than 1:15:00"},
    retryable=True,
    acts=Actor.NOBODY,
)
OPERATION_CANCELLED = FAULTS.code(
    "operation.cancelled",
    message="the operation was cancelled by {actor}: {reason}",
    remedy="run `penguin retry tenant/{tenant}` when it may go on, or apply its file",
    cause="An operator has cancelled an operation, which ended at its next safe point. What it has "
    "done stays, and the next one continues from there.",
    example={"actor": "pm_live_3fK9aQ2z", "reason": "the wrong file", "tenant": "acme"},
    acts=Actor.OPERATOR,
)
FOREIGN_UPDATE = FAULTS.code(
    "cloud.foreign_update",
    message="the stack of {tenant} was updated to an unknown blueprint ({digest}…)",
    remedy="{remedy}",
    cause="`pulumi up` ran by hand with a blueprint that this control plane never rendered.",
    example={
        "tenant": "acme",
        "digest": "sha256:3f9a2c11ab7d",
        "remedy": "apply the tenant's file again to restore its specification",
    },
    acts=Actor.USER,
)
STACK_EMPTY = FAULTS.code(
    "cloud.stack_empty",
    message="the stack of {tenant} was applied, and is empty; nothing is ordered again",
    remedy="apply the tenant's file again to order what it wants, or delete the tenant",
    cause="`pulumi destroy` ran by hand and ended the servers that the document wants, or "
    "PULUMI_BACKEND_URL leads to another place than before.",
    example={"tenant": "acme"},
    acts=Actor.USER,
)
MAIN_ADDRESS_MOVED = FAULTS.code(
    "cloud.main_address_moved",
    message="the provider has given host {host} another main address, {new} instead of {old}",
    remedy="wait: records, reverse name and host follow, and its warm-up begins at the first day",
    cause="A person changed it in the provider's portal, or the provider did. The old address is "
    "not used any more.",
    example={"host": "mx1", "new": "198.51.100.9", "old": "198.51.100.7"},
    retryable=True,
    acts=Actor.NOBODY,
)
SERVER_GONE = FAULTS.code(
    "cloud.server_gone",
    message="server {service_id} of host {host} is not in the account any more; it is not ordered "
    "again",
    remedy="run `penguin purchases forget {name}`, or `penguin retry` of its tenant, if another is "
    "to be bought, or take {host} out of the tenant's file",
    cause="It was ended in the provider's portal, or by the provider.",
    example={"service_id": 1001, "host": "mx1", "name": "k3f9a-acme-mx1-3f9a2c71be"},
    retryable=True,
    acts=Actor.OPERATOR,
)
SERVER_NOT_RUNNING = FAULTS.code(
    "cloud.server_not_running",
    message="server {service_id} of host {host} is {trouble}, as the provider lists it",
    remedy="look into the provider's portal: start the server there, or see to what it is "
    "suspended for",
    cause="A person has shut it down, or the provider has suspended it, as for an open invoice.",
    example={"service_id": 1001, "host": "mx1", "trouble": "suspended"},
    retryable=True,
    acts=Actor.OPERATOR,
)
SPAM_LISTED = FAULTS.code(
    "cloud.spam_listed",
    message="the provider lists mail of this tenant as spam: {entries}",
    remedy="look into the provider's portal and the mail from it; `penguin stop tenant {tenant} "
    "--reason …` stops the mail, which nothing else does",
    cause="The list of the provider's filter for outgoing mail is not empty. It is shown, and the "
    "tenant stays as it is.",
    example={"tenant": "acme", "entries": "mx1: type outbound, created 2026-11-24 10:00:00"},
    acts=Actor.OPERATOR,
)
DRAINING = FAULTS.code(
    "tenant.draining",
    message="hosts of {tenant} still have mail to send: {what}",
    remedy="wait; `penguin release tenant/{tenant} --reason …` deletes it at once, and the mail",
    cause="Mail that was accepted for sending is on a host of a tenant that is deleted, or may be: "
    "it would be lost with the host.",
    example={
        "what": "address/mx1-2: 12 mails, until 2026-11-26 10:00 UTC at the latest",
        "tenant": "acme",
    },
    retryable=True,
    acts=Actor.NOBODY,
)
NOT_GONE = FAULTS.code(
    "cloud.not_gone",
    message="resources of {tenant} still exist in the cloud after its deletion",
    remedy="wait: it is checked again",
    cause="The provider still lists what was deleted.",
    example={"tenant": "acme"},
    retryable=True,
    acts=Actor.NOBODY,
)
