"""Faults of the Hostwinds API, the purchase journal and the provider plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.faults import Actor, Fault, Table

if TYPE_CHECKING:
    from hostwinds.models import Instance

FAULTS = Table("hostwinds", "The Hostwinds API and the purchase journal")


class Unreachable(Fault):
    """No answer, or one that is not the API's."""


class OutcomeUnknown(Fault):
    """A change was sent, and it is not known whether it was made."""


class Refused(Fault):
    """The API refused the call."""


class UnknownService(Fault):
    """The API does not know a service with this key."""


class Unclear(Fault):
    """An answer that is neither a yes nor an error of the documented form."""


class Pending(Fault):
    """An address was requested and does not exist yet."""


class Unfinished(Fault):
    """An instance is ordered and is not active."""

    instance: Instance | None = None
    """None: it is not listed yet."""


UNREACHABLE = FAULTS.code(
    "hostwinds.unreachable",
    message="Hostwinds does not answer {action}: {reason}",
    remedy="check HOSTWINDS_API_URL and the network; it is tried again",
    cause="The provider's API did not answer, or answered in another format.",
    example={"action": "get_instances", "reason": "HTTP 503 from https://api.example"},
    retryable=True,
    acts=Actor.OPERATOR,
    raises=Unreachable,
    of_account=True,
)
OUTCOME_UNKNOWN = FAULTS.code(
    "hostwinds.outcome_unknown",
    message="the outcome of {action} is not known: {reason}",
    remedy="wait; the next run first checks what exists",
    cause="The connection broke after a change was sent.",
    example={"action": "add_instance", "reason": "no answer in time at https://api.example"},
    retryable=True,
    acts=Actor.NOBODY,
    raises=OutcomeUnknown,
)
UNAUTHORIZED = FAULTS.code(
    "hostwinds.unauthorized",
    message="Hostwinds refuses the API key: {reason}",
    remedy="check HOSTWINDS_API_KEY, its expiry, and that this machine's IPv4 address is on the "
    "key's allow-list in the Hostwinds portal",
    cause="The key is missing, wrong or expired, or this machine is not on its allow-list.",
    example={"reason": "Not Authorized"},
    retryable=True,
    acts=Actor.OPERATOR,
    of_account=True,
)
REFUSED = FAULTS.code(
    "hostwinds.refused",
    message="Hostwinds refuses {action}: {reason}",
    remedy="change the request as the message says",
    cause="The API refused a call, and repeating it changes nothing.",
    example={"action": "add_instance", "reason": "Location Id is invalid (ERROR 342432)"},
    acts=Actor.OPERATOR,
    raises=Refused,
)
UNCLEAR = FAULTS.code(
    "hostwinds.unclear",
    message="Hostwinds does not confirm {action}: {reason}",
    remedy="act as the message says; it is tried again",
    cause="The API answered in a form that it does not document, or did a part of a change and "
    "refused the rest. Only a clear yes counts as one.",
    example={"action": "set_rdns", "reason": "status: error; error: Insufficient funds"},
    retryable=True,
    acts=Actor.OPERATOR,
    raises=Unclear,
)
UNKNOWN_SERVICE = FAULTS.code(
    "hostwinds.unknown_service",
    message="Hostwinds does not know the server of {action} with this API key: {reason}",
    remedy="check that HOSTWINDS_API_KEY is current and of the account that owns the server",
    cause="The key was rotated or is of another account, or the server does not exist.",
    example={"action": "get_instance", "reason": "A valid serviceid is required"},
    retryable=True,
    acts=Actor.OPERATOR,
    raises=UnknownService,
)
NOT_ON_OFFER = FAULTS.code(
    "hostwinds.not_on_offer",
    message="{what} {name} is not on offer",
    remedy="use one of: {offered}",
    cause="The provider does not list the location or image that the settings name.",
    example={"what": "location", "name": "Atlantis", "offered": "Amsterdam, Dallas, Seattle"},
    acts=Actor.OPERATOR,
)
SIZE_NOT_ON_OFFER = FAULTS.code(
    "hostwinds.size_not_on_offer",
    message="no line of the price list that can be read has {cpu} CPU, {ram_mb} MB and "
    "{disk_gb} GB",
    remedy="choose a smaller size; the operation's log names the lines that cannot be read",
    cause="No line of the provider's price list is large enough for the host and has a price.",
    example={"cpu": 64, "ram_mb": 2048, "disk_gb": 50},
)
SERVER_LOCKED = FAULTS.code(
    "hostwinds.server_locked",
    message="server {service_id} ({name}) is locked",
    remedy="unlock it in the Hostwinds portal if it is to be ended",
    cause="A server that is to be terminated was locked in the portal.",
    example={"service_id": 1001, "name": "k3f9a-acme-mx1-3f9a2c71be"},
    retryable=True,
    acts=Actor.OPERATOR,
)
POINTER_IMPORT = FAULTS.code(
    "hostwinds.pointer_import",
    message="a PTR cannot be imported",
    remedy="declare it instead; it is set again",
    cause="The provider's API cannot read a PTR back.",
)
ADDRESS_LOST = FAULTS.code(
    "hostwinds.address_lost",
    message="server {service_id} does not have {address} any more",
    remedy="wait; the next run takes over the addresses that it has",
    cause="An address was changed at the provider while its reverse name was to be set.",
    example={"service_id": 1001, "address": "198.51.100.7"},
    retryable=True,
    acts=Actor.NOBODY,
)
FIREWALL_PROFILE_MISSING = FAULTS.code(
    "hostwinds.firewall_profile_missing",
    message="the account has no firewall profile {profile}; it has: {offered}",
    remedy="create {profile} in the Hostwinds portal (Cloud Control, Firewalls) with rules that "
    "let {inbound} in and everything out",
    cause="The provider drops what no rule of a server's firewall profile allows, its own profiles "
    "do not let mail in, and profiles can be made in the portal only.",
    example={
        "profile": "penguin-mail",
        "offered": "default, smtp, web",
        "inbound": "22/tcp, 25/tcp, 587/tcp",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
FIREWALL_PROFILE_AMBIGUOUS = FAULTS.code(
    "hostwinds.firewall_profile_ambiguous",
    message="several firewall profiles end in {profile}: {names}",
    remedy="set PENGUIN_PLATFORM__FIREWALL_PROFILE to the whole name of one",
    cause="The portal puts an identifier before the name of a profile, so it is found by the end "
    "of its name.",
    example={"profile": "mail", "names": "48213-mail, 48213-webmail"},
    retryable=True,
    acts=Actor.OPERATOR,
)
FIREWALL_PROFILE_LACKS = FAULTS.code(
    "hostwinds.firewall_profile_lacks",
    message="firewall profile {profile} does not let pass at server {service_id}: {lacks}",
    remedy="add rules for it in the Hostwinds portal (Cloud Control, Firewalls), or set "
    "PENGUIN_PLATFORM__FIREWALL_PROFILE to another profile",
    cause="The rules of the profile were read back, and a mail host needs more. If the profile "
    "before let more pass, it was restored.",
    example={"profile": "web", "service_id": 1001, "lacks": "22/tcp in, 25/tcp in, 587/tcp in"},
    retryable=True,
    acts=Actor.OPERATOR,
)
NOT_IN_EFFECT = FAULTS.code(
    "hostwinds.not_in_effect",
    message="server {service_id} has not changed: {what}",
    remedy="wait; the next run checks again; if it stays so, ask Hostwinds' support",
    cause="The API accepted a change, and reading back shows that nothing changed.",
    example={"service_id": 1001, "what": "it is still there after its termination"},
    retryable=True,
    acts=Actor.PROVIDER,
)
NOT_ACTIVE = FAULTS.code(
    "hostwinds.not_active",
    message="server {service_id} ({name}) is {status}",
    remedy="wait while it is being created; else ask Hostwinds' support: it is not ordered again",
    cause="A server was bought and is not active: it takes long, or the provider gave up on it.",
    example={"service_id": 1001, "name": "k3f9a-acme-mx1-3f9a2c71be", "status": "still build"},
    retryable=True,
    acts=Actor.PROVIDER,
    raises=Unfinished,
)
PROVISIONING = FAULTS.code(
    "hostwinds.provisioning",
    message="Hostwinds is creating {name} ({status}), until {until} UTC at the latest; it is paid, "
    "and not ordered again",
    remedy="run it again when the server is active, usually in a few minutes; the control plane "
    "does so by itself",
    cause="A new server takes minutes, and a run of the control plane does not wait for it.",
    example={
        "name": "k3f9a-acme-mx1-3f9a2c71be",
        "status": "build",
        "until": "2026-11-24 10:30:00",
    },
    retryable=True,
    raises=Unfinished,
)
PURCHASE_AMBIGUOUS = FAULTS.code(
    "hostwinds.purchase_ambiguous",
    message="{name} was to be bought at {opened} UTC ({answer}) and has not shown up; it is not "
    "ordered again",
    remedy="check the provider's portal: run `penguin purchases settle NAME SERVICE_ID` if it was "
    "bought, `penguin purchases forget NAME` if not",
    cause="A purchase has no outcome, and no server appeared within the time that an order takes.",
    example={
        "name": "k3f9a-acme-mx1-3f9a2c71be",
        "opened": "2026-11-24 10:00:00",
        "answer": "no answer is known",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
HALF_DONE = FAULTS.code(
    "hostwinds.half_done",
    message="{name} may have been charged: {answer}; it is not ordered again",
    remedy="wait until the server shows up, or check the provider's portal: run `penguin purchases "
    "settle NAME SERVICE_ID` if it was bought, `penguin purchases forget NAME` if not",
    cause="The provider refused an order after a step that it had done, or answered in a form that "
    "it does not document.",
    example={
        "name": "k3f9a-acme-mx1-3f9a2c71be",
        "answer": "Hostwinds does not confirm add_instance: Invoice Paid: Invoice has been paid; "
        "Not Authorized",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
LIMIT_REACHED = FAULTS.code(
    "hostwinds.limit_reached",
    message="{name} is not ordered: {what}",
    remedy="an operator runs `penguin limits set {scope} {change} --reason …`, or ends servers",
    cause="An operator has limited what servers cost, or how many are ordered in a day: all of the "
    "platform, or those of each tenant.",
    example={
        "name": "k3f9a-acme-mx1-3f9a2c71be",
        "what": "the servers of tenant/acme would cost 59.97 USD a month, and the limit is 50.00",
        "scope": "tenant/acme",
        "change": "--monthly 59.97",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
DATABASE_RESTORED = FAULTS.code(
    "hostwinds.database_restored",
    message="the database was restored or promoted, and may not know what was bought and ended "
    "since; nothing is bought or ended",
    remedy="run `penguin purchases recover`",
    cause="The purchase journal belongs to a database, its server and its timeline, and one of "
    "them is another than before; or the account, a host or a process has what the database would "
    "know if it had not been set back. The log of the reconciler says which.",
    retryable=True,
    acts=Actor.OPERATOR,
)
FROZEN = FAULTS.code(
    "hostwinds.frozen",
    message="{name} is not {done}: {what} is frozen by {actor}: {reason}",
    remedy="run `penguin unfreeze {what}` when it may go on",
    cause="An operator has frozen purchases or destruction for all tenants of the platform.",
    example={
        "name": "k3f9a-acme-mx1-3f9a2c71be",
        "done": "ordered",
        "what": "purchases",
        "actor": "pm_live_3fK9aQ2z",
        "reason": "the bill is being checked",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
PRICE_NOT_AGREED = FAULTS.code(
    "hostwinds.price_not_agreed",
    message="{name} costs {asked} USD a month at Hostwinds, and {agreed} was agreed to; it is not "
    "ordered",
    remedy="an operator agrees with `penguin purchases agree {name} {asked}`",
    cause="The provider's price is above the one that was shown when the tenant was applied, or "
    "nobody has agreed to one.",
    example={
        "name": "k3f9a-acme-mx1-3f9a2c71be",
        "asked": "45.99",
        "agreed": "at most 38.99 USD",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
SEVERAL_SERVERS = FAULTS.code(
    "hostwinds.several_servers",
    message="servers {numbers} are all named {name}",
    remedy="end all but one of them in the Hostwinds portal",
    cause="The name is the mark of ownership, and several servers have it.",
    example={"numbers": "1001, 1002", "name": "k3f9a-acme-mx1-3f9a2c71be"},
    retryable=True,
    acts=Actor.OPERATOR,
)
NAMED_OTHERWISE = FAULTS.code(
    "hostwinds.named_otherwise",
    message="server {service_id} is named {label} and not {name}; it is not touched",
    remedy="name it {name} in the Hostwinds portal if it is ours; else run `penguin purchases "
    "settle {name} SERVICE_ID` with the right number, or end it in the portal and forget it",
    cause="The name is the mark of ownership: the number of a purchase was settled wrongly, or the "
    "server was renamed in the portal.",
    example={"service_id": 1001, "label": "website", "name": "k3f9a-acme-mx1-3f9a2c71be"},
    retryable=True,
    acts=Actor.OPERATOR,
)
VANISHED = FAULTS.code(
    "hostwinds.vanished",
    message="{what} is not in the account any more; it is not ordered again",
    remedy="run `penguin purchases forget NAME` if another is to be bought",
    cause="A server of the purchase journal was ended outside of PenguinMails.",
    example={"what": "server 1001 (k3f9a-acme-mx1-3f9a2c71be)"},
    retryable=True,
    acts=Actor.OPERATOR,
)
NOT_SHOWN = FAULTS.code(
    "hostwinds.not_shown",
    message="this API key shows neither server {service_id} ({name}) nor another of its account",
    remedy="check that HOSTWINDS_API_KEY is current and of the account that bought it; if the "
    "portal shows that the server has ended, run `penguin purchases forget {name}`",
    cause="The key was rotated or is of another account, or the only server of the account was "
    "ended. Nothing is changed or forgotten until one of them is certain.",
    example={"service_id": 1001, "name": "k3f9a-acme-mx1-3f9a2c71be"},
    retryable=True,
    acts=Actor.OPERATOR,
)
SUPERSEDED = FAULTS.code(
    "hostwinds.superseded",
    message="another process works on {name} now; this one changes nothing more",
    remedy="wait; the other process continues",
    cause="A later holder of the tenant's lease has taken over.",
    example={"name": "k3f9a/acme"},
    retryable=True,
    acts=Actor.NOBODY,
)
INTERRUPTED = FAULTS.code(
    "hostwinds.interrupted",
    message="stopped before {what}",
    remedy="wait; the next run first checks what exists",
    cause="Waiting for the provider was ended: the plugin was asked to stop, or does not wait.",
    example={"what": "the provider had finished"},
    retryable=True,
    acts=Actor.NOBODY,
)
BAD_NUMBER = FAULTS.code(
    "hostwinds.bad_number",
    message="{name} is {value}, which is no number from 0 on",
    remedy="write it in decimal digits, as 10, or leave it out",
    cause="A setting of the provider in the environment cannot be read.",
    example={"name": "HOSTWINDS_PRICE_TOLERANCE", "value": "ten"},
    acts=Actor.OPERATOR,
)
NO_JOURNAL = FAULTS.code(
    "hostwinds.no_journal",
    message="{problem}; nothing is bought without the purchase journal of the control plane",
    remedy='run `eval "$(penguin purchases env)"` where `penguin init` was run, or set the '
    "variable that it prints",
    cause="All processes that buy from one account share one journal in a database; with two "
    "journals a server would be bought twice.",
    example={"problem": "HOSTWINDS_JOURNAL is not set"},
    acts=Actor.OPERATOR,
)
OTHER_JOURNAL = FAULTS.code(
    "hostwinds.other_journal",
    message="the state of {stack} was written with purchase journal {known}, and HOSTWINDS_JOURNAL "
    "is {here}; nothing is changed",
    remedy='run `eval "$(penguin purchases env)"` where `penguin init` was run; if that journal is '
    "lost for good, `penguin purchases replace {known}`",
    cause="All runs of a stack share one purchase journal; with two, a server would be bought "
    "twice.",
    example={
        "stack": "acme",
        "known": "0f6d7c1e-6a0b-4e7e-9d5c-2f1f4a9b7c10",
        "here": "7b1c2d3e-1111-4222-8333-444455556666",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
JOURNAL_UNAVAILABLE = FAULTS.code(
    "hostwinds.journal_unavailable",
    message="the purchase journal ({location}) cannot be used: {reason}",
    remedy="check HOSTWINDS_JOURNAL and that its database or disk has room and is reachable; "
    "after an update run `penguin db upgrade`",
    cause="Without its journal nothing may be bought.",
    example={"location": "PostgreSQL", "reason": "connection refused"},
    retryable=True,
    acts=Actor.OPERATOR,
)
REPLACEMENT_NAME = FAULTS.code(
    "hostwinds.replacement_name",
    message="a change of {changed} creates another server, which needs another serverName",
    remedy="give the host another name",
    cause="The change creates another server, which would be mistaken for the replaced one.",
    example={"changed": "cpu, ramMb"},
)
PENDING = FAULTS.code(
    "hostwinds.pending",
    message="{name}: no free address at server {service_id} yet",
    remedy="buy the address in the Hostwinds portal; it is adopted automatically",
    cause="A further address can be bought in the provider's portal only.",
    example={"name": "mx1-2", "service_id": 1001},
    retryable=True,
    acts=Actor.OPERATOR,
    raises=Pending,
)
DEFECT = FAULTS.code(
    "hostwinds.defect",
    message="the provider plugin failed: {reason}",
    remedy="report it with the operation's log",
    cause="The provider plugin has a defect.",
    example={"reason": "ValueError at resources.py:120"},
    retryable=True,
    acts=Actor.OPERATOR,
)
