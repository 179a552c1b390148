"""Faults of an engine operation; program and plugins have their own tables."""

from __future__ import annotations

from kit.faults import Actor, Table

FAULTS = Table("pulumi", "One operation of the Pulumi engine")

LOCKED = FAULTS.code(
    "cloud.locked",
    message="the stack is locked by {holder}",
    remedy="wait until that run has ended; if it has crashed, run `pulumi cancel {stack}`",
    cause="`pulumi up` runs by hand, or was interrupted.",
    example={"holder": "alice@laptop (process 4711) since 2026-11-27T10:00:00Z", "stack": "acme"},
    retryable=True,
    acts=Actor.USER,
)
ENGINE_INCOMPLETE = FAULTS.code(
    "cloud.engine_incomplete",
    message="the Pulumi engine of this machine is incomplete: {reason}",
    remedy="run `penguin engine build`, then see `penguin engine`",
    cause="The Pulumi command or one of its plugins is missing.",
    example={"reason": "no resource plugin 'hostwinds' found"},
    acts=Actor.OPERATOR,
)
PLUGIN_ENDED = FAULTS.code(
    "cloud.plugin_ended",
    message="a plugin of the engine ended while it was needed: {reason}",
    remedy="wait: it is tried again; if it ends each time, look for lack of memory on this machine",
    cause="The process of a Pulumi plugin was killed, or failed. What it had begun is found by the "
    "next run.",
    example={"reason": "rpc error: code = Unavailable desc = error reading from server: EOF"},
    retryable=True,
    acts=Actor.OPERATOR,
)
PASSPHRASE = FAULTS.code(
    "cloud.passphrase",
    message="the state cannot be decrypted: {reason}",
    remedy="set PULUMI_CONFIG_PASSPHRASE_FILE to the file that the state was created with",
    cause="The passphrase is missing or wrong.",
    example={"reason": "incorrect passphrase"},
    acts=Actor.OPERATOR,
)
DISK_FULL = FAULTS.code(
    "cloud.disk_full",
    message="a disk is full: {reason}",
    remedy="free space on the disk of this machine or of the state's database",
    cause="The engine could not write its state or its temporary files.",
    example={"reason": "could not extend file: No space left on device"},
    retryable=True,
    acts=Actor.OPERATOR,
)
OUT_OF_MEMORY = FAULTS.code(
    "cloud.out_of_memory",
    message="a process of the engine has not got the memory that it needs: {reason}",
    remedy="set PENGUIN_RECONCILER__ENGINE_MEMORY higher, or, where the machine has no more, "
    "PENGUIN_RECONCILER__ENGINE_SLOTS lower",
    cause="Each process of an operation has a limit of memory, or one would take that of others.",
    example={"reason": "fatal error: runtime: out of memory"},
    retryable=True,
    acts=Actor.OPERATOR,
)
RECORD_GONE = FAULTS.code(
    "dns.record_gone",
    message="a record that is to be changed was deleted at Cloudflare: {reason}",
    remedy="run `pulumi up --refresh`; the control plane does that by itself",
    cause="Somebody deleted a record of ours, which the state still has. It is written again.",
    example={"reason": "81044 Record does not exist. (HTTP 404)"},
    retryable=True,
    acts=Actor.NOBODY,
)
PROGRAM = FAULTS.code(
    "cloud.program",
    message="the Pulumi program failed: {reason}",
    remedy="report it with the operation's log",
    cause="A defect of PenguinMails.",
    example={"reason": "python inline source runtime error"},
    acts=Actor.OPERATOR,
)
FAILED = FAULTS.code(
    "cloud.failed",
    message="the operation failed: {reason}",
    remedy="read the operation's log; it is retried",
    cause="The engine reported an error that has no specific code.",
    example={"reason": "something new"},
    retryable=True,
    acts=Actor.OPERATOR,
)
