"""Faults of Mailu's API, and findings about what a host has."""

from __future__ import annotations

from kit.faults import Actor, Table

FAULTS = Table("mailu", "Mailu on a host: its REST API, and what differs from what is declared")

UNREACHABLE = FAULTS.code(
    "mailu.unreachable",
    message="Mailu's API does not answer: {reason}",
    remedy="check that the container `admin` runs on the host; it is tried again",
    cause="No connection to `admin` by way of the host, or no answer in time; nothing was changed.",
    example={"reason": "Connection refused"},
    retryable=True,
    acts=Actor.OPERATOR,
)
TOKEN_REFUSED = FAULTS.code(
    "mailu.token_refused",
    message="Mailu's API refuses the token of the host",
    remedy="run the playbooks of the host, which write the token, and restart `admin`",
    cause="The token is not the one that `admin` was started with. It is not tried again, since a "
    "few wrong ones lock the control plane out.",
    acts=Actor.OPERATOR,
)
LOCKED = FAULTS.code(
    "mailu.locked",
    message="Mailu's API answers nothing after too many wrong logins or tokens",
    remedy="wait an hour without further attempts; it is tried again",
    cause="Wrong API tokens and failed logins of one network count together, and too many of them "
    "within an hour close the API to that network, for the right token too.",
    retryable=True,
    acts=Actor.NOBODY,
)
REFUSED = FAULTS.code(
    "mailu.refused",
    message="Mailu's API answers {status} to {request}",
    remedy="check the version of Mailu on the host, and report it with this line",
    cause="A request that Mailu should accept was refused; its text is not shown, since it may "
    "contain the data of a person.",
    example={"status": 400, "request": "PATCH /user/ann@acme.example"},
    retryable=True,
    acts=Actor.OPERATOR,
)
UNCLEAR = FAULTS.code(
    "mailu.unclear",
    message="Mailu's API answers {request} with something else than expected: {reason}",
    remedy="check that the address is that of `admin`, and the version of Mailu",
    cause="The answer has a form that Mailu's API does not have, as when another server answers; "
    "nothing is concluded from it.",
    example={"request": "GET /domain", "reason": "404 without a code"},
    retryable=True,
    acts=Actor.OPERATOR,
)
FAILED = FAULTS.code(
    "mailu.failed",
    message="Mailu fails at {request}",
    remedy="read the log of the container `admin`; it is tried again",
    cause="`admin` answers 500, as when its database is locked or Redis is away.",
    example={"request": "GET /user"},
    retryable=True,
    acts=Actor.OPERATOR,
)
UNCERTAIN = FAULTS.code(
    "mailu.uncertain",
    message="{request} was not answered, or by 500",
    remedy="wait: what is there is read, and what is missing is done again",
    cause="A change may have been made although its answer was lost.",
    example={"request": "POST /user"},
    retryable=True,
    acts=Actor.NOBODY,
)
CONFLICT = FAULTS.code(
    "mailu.conflict",
    message="{kind} {name} cannot be made: its name is in use, or a limit is reached",
    remedy="look in Mailu's administration for another object of that name, or for a limit of the "
    "domain",
    cause="A domain, an alternative or a relay has the name, or its domain may have no more "
    "mailboxes or aliases.",
    example={"kind": "user", "name": "ann@acme.example"},
    retryable=True,
    acts=Actor.OPERATOR,
)
NAME = FAULTS.code(
    "mailu.name",
    message="Mailu cannot have the name {name}: {reason}",
    remedy="use another name",
    cause="Mailu makes an object of that name and never finds it again or cannot show it, or the "
    "name is reserved.",
    example={"name": "a/b@acme.example", "reason": "it has a slash before the @"},
    status=422,
)

TAKEN = FAULTS.code(
    "mailu.taken",
    message="{kind} {name} exists, and its comment is not {mark}",
    remedy="remove it in Mailu's administration, or set its comment to {mark} to hand it over",
    cause="An object that a person or another tenant made has a declared name; it is not changed.",
    example={"kind": "user", "name": "ann@acme.example", "mark": "pm:acme"},
    acts=Actor.OPERATOR,
)
FOREIGN = FAULTS.code(
    "mailu.foreign",
    message="{kind} {name} is not of the control plane",
    remedy="declare it and set its comment to the mark of its tenant, or remove it in Mailu's "
    "administration",
    cause="The host has an object that no tenant of it declares and that has no mark of one; it "
    "is neither changed nor removed.",
    example={"kind": "user", "name": "eve@acme.example"},
    acts=Actor.OPERATOR,
)
CONTESTED = FAULTS.code(
    "mailu.contested",
    message="{name} is wanted by more than one tenant: {tenants}",
    remedy="keep it in the document of one of them",
    cause="Two tenants of a host declare the same name; nothing that concerns it is changed.",
    example={"name": "acme.example", "tenants": "acme, bolt"},
    acts=Actor.OPERATOR,
)
OUTSIDE = FAULTS.code(
    "mailu.outside",
    message="{name} is not in a domain of {tenant} on this host",
    remedy="declare its domain for this host, or remove it",
    cause="A tenant has addresses and return paths in its own domains only.",
    example={"name": "ann@acme.example", "tenant": "bolt"},
)
HOLDS_MAIL = FAULTS.code(
    "mailu.holds_mail",
    message="{kind} {name} is no longer declared: removing it destroys {mailboxes} mailbox(es) "
    "with {megabytes} MB",
    remedy="repeat `penguin apply` or `penguin delete` with `--yes-destroy-mail`, or declare it "
    "again",
    cause="The mail of a mailbox is gone with it, so that a mailbox, its domain or its host is "
    "removed only when a person says so.",
    example={"kind": "domain", "name": "acme.example", "mailboxes": 3, "megabytes": 812},
)
INCOMPLETE = FAULTS.code(
    "mailu.incomplete",
    message="the host takes no mail yet: Mailu lacks {names}",
    remedy="see the host's and its domains' condition IdentityReady for what keeps it; it is tried "
    "again",
    cause="A host that gets Mailu takes mail again when all of its mailboxes are there: before, "
    "mail for them would be refused for good.",
    example={"names": "ann@acme.example"},
    retryable=True,
    acts=Actor.NOBODY,
)
NOT_EMPTY = FAULTS.code(
    "mailu.not_empty",
    message="domain {name} is not removed, since others have objects in it: {objects}",
    remedy="remove these in Mailu's administration first",
    cause="Mailu removes a domain with all that is in it, also what is not ours.",
    example={"name": "acme.example", "objects": "user eve@acme.example"},
    acts=Actor.OPERATOR,
)
NOT_PURGED = FAULTS.code(
    "mailu.not_purged",
    message="{name} waits: the files of its predecessor are still on the host",
    remedy="wait: they are removed by the next look at the host; see `penguin logs` if they stay",
    cause="Mailu keeps the mail and the key of what is removed, and the next owner of the name "
    "would get them.",
    example={"name": "ann@acme.example"},
    retryable=True,
    acts=Actor.NOBODY,
)
KEY_MISSING = FAULTS.code(
    "mailu.key_missing",
    message="Mailu has no DKIM key of {name}, and sends its mail unsigned",
    remedy="run the playbooks of the host, which write the key",
    cause="The file of the key is not where Mailu looks for it.",
    example={"name": "acme.example"},
    retryable=True,
    acts=Actor.NOBODY,
)
KEY_UNREADABLE = FAULTS.code(
    "mailu.key_unreadable",
    message="Mailu cannot read the DKIM key of {name}",
    remedy="run the playbooks of the host, which write the key and its owner",
    cause="The file of the key is no key, or `admin` may not read it.",
    example={"name": "acme.example"},
    retryable=True,
    acts=Actor.NOBODY,
)
KEY_DIFFERS = FAULTS.code(
    "mailu.key_differs",
    message="Mailu signs the mail of {name} with another DKIM key than the published one",
    remedy="run the playbooks of the host, which write the key",
    cause="The file of the key is not the one that the control plane made.",
    example={"name": "acme.example"},
    retryable=True,
    acts=Actor.NOBODY,
)

NO_MAILBOX = FAULTS.code(
    "mailu.no_mailbox",
    message="Mailu has no mailbox {address} of {tenant}",
    remedy="declare it in spec.mailboxes, and wait until its host has it",
    cause="The address is not there yet, or is not one that the tenant declared.",
    example={"address": "ann@acme.example", "tenant": "acme"},
    status=404,
)
TOKEN_NAME = FAULTS.code(
    "mailu.token_name",
    message="a token cannot have the name {name}",
    remedy="use up to 60 letters, digits, spaces and . _ ( ) + -, beginning with a letter or digit",
    cause="The name of a token is shown in Mailu's administration too.",
    example={"name": "'Ann'"},
    status=422,
)
TOKEN_EXISTS = FAULTS.code(
    "mailu.token_exists",
    message="{address} has a token {name} already",
    remedy="use another name, or revoke that token first",
    cause="Tokens are revoked by name. It may also be one whose secret was never shown, since the "
    "answer was lost.",
    example={"address": "ann@acme.example", "name": "Thunderbird"},
    status=409,
)
NO_TOKEN = FAULTS.code(
    "mailu.no_token",
    message="{address} has no token {name}",
    remedy="use a name that is listed with the tokens of the mailbox",
    cause="No token of the mailbox has that name.",
    example={"address": "ann@acme.example", "name": "Thunderbird"},
    status=404,
)
