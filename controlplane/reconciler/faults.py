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
    example={"reason": "it took longer than 0:20:00"},
    retryable=True,
    acts=Actor.NOBODY,
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
NOT_GONE = FAULTS.code(
    "cloud.not_gone",
    message="resources of {tenant} still exist in the cloud after its deletion",
    remedy="wait: it is checked again",
    cause="The provider still lists what was deleted.",
    example={"tenant": "acme"},
    retryable=True,
    acts=Actor.NOBODY,
)
