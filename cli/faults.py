"""Errors of the client itself; all others that it prints come from the API or from other rooms."""

from __future__ import annotations

from kit.faults import Actor, Code, Fault, Table, Violation

FAULTS = Table("cli", "The command line")

USAGE = FAULTS.code(
    "usage",
    message="{mistake}",
    remedy="{remedy}",
    cause="The command line cannot be understood, or its values contradict each other.",
    example={"mistake": "No such command 'aply'", "remedy": "see `penguin --help`"},
)
STALE = FAULTS.code(
    "setup.stale",
    message="the installation of `penguin` has no commands",
    remedy="run `make setup`",
    cause="The package was installed before its commands were declared.",
    acts=Actor.OPERATOR,
)
INTERNAL = FAULTS.code(
    "cli.internal",
    message="an unexpected failure",
    remedy="{remedy}",
    cause="A defect of the program; what happened is in the log.",
    example={"remedy": "report it with the last entry of log/penguin.log"},
    acts=Actor.OPERATOR,
)
UNREACHABLE = FAULTS.code(
    "api.unreachable",
    message="the control plane does not answer: {reason}",
    remedy="start it with `penguin serve` (in the lab: `make up`), or correct the URL",
    cause="Nothing listens at the control plane's address, or it did not answer in time.",
    example={"reason": "connection refused"},
    retryable=True,
    acts=Actor.OPERATOR,
)
FOREIGN_ANSWER = FAULTS.code(
    "api.foreign_answer",
    message="the answer does not come from a control plane (status {status})",
    remedy="correct PENGUIN_API_URL, or `url` in context.json: an address without a path",
    cause="Something else listens at the address of the control plane.",
    example={"status": 200},
)
CONTEXT_MISSING = FAULTS.code(
    "context.missing",
    message="no API key is configured",
    remedy="run `penguin init`, or set PENGUIN_API_URL and PENGUIN_API_KEY",
    cause="Neither the environment nor the state directory holds a key.",
)
CONTEXT_INVALID = FAULTS.code(
    "context.invalid",
    message="the {part} of the control plane cannot be used: {reason}",
    remedy="{remedy}",
    cause="The configured address is not an HTTP URL, or the key was damaged when it was copied.",
    example={
        "part": "address",
        "reason": "example is not an HTTP URL",
        "remedy": "set one such as http://127.0.0.1:8400",
    },
)
AMBIGUOUS = FAULTS.code(
    "resource.ambiguous",
    message="{kind} {name} exists in several tenants: {tenants}",
    remedy="add --tenant",
    cause="Names of hosts and addresses are unique within a tenant only.",
    example={"kind": "host", "name": "mx1", "tenants": "acme, zoo"},
)
WAIT_TIMEOUT = FAULTS.code(
    "wait.timeout",
    message="waited {seconds} s for {wanted}: {reason}",
    remedy="see `penguin describe tenant/{name}` and `penguin logs {name}`",
    cause="The condition did not become true in the given time.",
    example={"wanted": "Ready", "seconds": 300, "reason": "DnsMissing", "name": "acme"},
    retryable=True,
)
WAIT_STALLED = FAULTS.code(
    "wait.stalled",
    message="{name} is stalled and does not reach {wanted}: {reason}",
    remedy="remove the cause and `penguin apply` again; see `penguin logs {name}`",
    cause="The reconciler does not try again before the document is applied again.",
    example={"wanted": "Ready", "reason": "CloudflareZoneMissing", "name": "acme"},
)
WAIT_UNSUPPORTED = FAULTS.code(
    "wait.unsupported",
    message="{wanted} cannot become true in this installation: {reason}",
    remedy="wait for a condition that can, such as DnsReady",
    cause="This installation does not support what the condition needs.",
    example={"wanted": "Ready", "reason": "HostsUnavailable"},
)
NO_OPERATION = FAULTS.code(
    "logs.none",
    message="no operation has been started yet",
    remedy="see `penguin describe tenant/NAME` for what the tenant waits for",
    cause="The reconciler has not begun an operation; only operations have logs.",
)
UNCONFIRMED = FAULTS.code(
    "cli.unconfirmed",
    message="nothing was changed: {reason}",
    remedy="use `{command} --yes`",
    cause="A command that cannot be undone needs a confirmation, or --yes.",
    example={
        "reason": "standard input is not a terminal",
        "command": "penguin delete tenant/acme",
    },
)
NOT_ACCEPTED = FAULTS.code(
    "send.not_accepted",
    message="the message is {state}: {reason}",
    remedy="see `penguin explain {id}`",
    cause="The mail host did not accept the message, or not in time.",
    example={
        "state": "held",
        "reason": "the tenant is held: complaints; what releases it: `penguin holds end`, or its "
        "end, if it has one; held until 2026-11-24 18:00:00",
        "id": "0199b1c2",
    },
)
UNREADABLE = FAULTS.code(
    "file.unreadable",
    message="the file cannot be read: {reason}",
    remedy="check the path",
    cause="A file that an option names cannot be read.",
    example={"reason": "No such file or directory"},
)
NOT_TEXT = FAULTS.code(
    "file.not_text",
    message="line {line} of the file is not text in UTF-8, UTF-16 or UTF-32",
    remedy="save the file as UTF-8",
    cause="The file has another encoding, or is no text.",
    example={"line": 1},
)
MAIL_REFUSED = FAULTS.code(
    "mail.file",
    message="the file cannot be sent: {reason}",
    remedy="save one mail as a file of its own",
    cause="A mail file holds several mails, is too large, or is damaged.",
    example={"reason": "it holds several mails (mbox)"},
)
HEADER_REFUSED = FAULTS.code(
    "mail.header",
    message="the header field {name} cannot be sent: {reason}",
    remedy="{remedy}",
    cause="A field of a mail file cannot be sent as it is, and nothing of a file is left out.",
    example={
        "name": "Cc",
        "reason": "a message has one recipient",
        "remedy": "send it once to each, without this field",
    },
)
PART_REFUSED = FAULTS.code(
    "mail.part",
    message="the part {name} cannot be sent: {reason}",
    remedy="remove it from the file, or attach it as a file",
    cause="A part of a mail file cannot be sent as it is, and nothing of a file is left out.",
    example={
        "name": "multipart/signed",
        "reason": "the mail is composed again, so its signature would not fit",
    },
)
UNWRITABLE = FAULTS.code(
    "file.unwritable",
    message="the file cannot be written: {reason}",
    remedy="name a file in an existing directory that you may write to",
    cause="A file that an option names cannot be written.",
    example={"reason": "Permission denied"},
)
NOT_EXPORTED = FAULTS.code(
    "cli.not_exported",
    message="the mail of {address} cannot be copied: {reason}",
    remedy="check that this machine reaches port 993 of the host, and that it trusts the host's "
    "certificate (SSL_CERT_FILE); nothing was applied: repeat it with another directory",
    cause="Mail is copied by IMAP, as mail clients read it.",
    example={"address": "ann@acme.example", "reason": "Connection refused"},
)
REPEATED = FAULTS.code(
    "file.repeated",
    message="tenant {name} is also in {first}",
    remedy="keep one of the two",
    cause="Two documents of one tenant would overwrite each other.",
    example={"name": "acme", "first": "tenants/acme.yaml"},
)
SETTINGS_INVALID = FAULTS.code(
    "settings.invalid",
    message="{reasons}",
    remedy="correct the file, or the environment variable, which overrides it",
    cause="A setting has an invalid value; the value may be a secret and is not shown.",
    example={"reasons": "PENGUIN_PLATFORM__ZONE: not a domain name"},
    acts=Actor.OPERATOR,
)


def relayed(
    name: str,
    message: str,
    remedy: str,
    *,
    status: int | None = None,
    violations: tuple[Violation, ...] = (),
) -> Fault:
    """Return a fault that the control plane reported, under its original code."""
    return Fault(Code(name, "", "", "", status=status), message, remedy, violations=violations)
