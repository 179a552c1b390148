"""Faults of the HTTP interface: refused requests, and failures behind it."""

from __future__ import annotations

from kit.faults import Actor, Table

FAULTS = Table("controlplane", "The HTTP interface: refused requests, and failures behind it")

WRONG_CURSOR = FAULTS.code(
    "request.cursor",
    message="the cursor is none that a page of events has",
    remedy="give `next` of the previous page, or leave `cursor` out",
    cause="A cursor over events names snapshots of the database, which are checked before use.",
)
MALFORMED_JSON = FAULTS.code(
    "request.malformed_json",
    message="the body is not JSON: {reason}",
    remedy="send one valid JSON object in UTF-8",
    cause="The body of a request cannot be parsed, or is nested too deeply.",
    example={"reason": "Expecting value at character 0"},
    status=400,
)
NO_SUCH_PATH = FAULTS.code(
    "request.no_such_path",
    message="this path does not exist",
    remedy="see /api/v1/openapi.json",
    cause="The interface has no endpoint at this path.",
    status=404,
)
WRONG_METHOD = FAULTS.code(
    "request.wrong_method",
    message="method {method} is not allowed for this path",
    remedy="use one of: {allowed}",
    cause="The endpoint exists, but not with this method.",
    example={"method": "PATCH", "allowed": "DELETE, GET, PUT"},
    status=405,
)
TOO_LARGE = FAULTS.code(
    "request.too_large",
    message="the body is longer than {limit} bytes",
    remedy="send a shorter one",
    cause="Documents and messages have a size limit.",
    example={"limit": 2**20},
    status=413,
)
NOT_JSON = FAULTS.code(
    "request.not_json",
    message="the body is {kind}, not JSON",
    remedy="send JSON with `Content-Type: application/json`",
    cause="Every body that the interface accepts is JSON.",
    example={"kind": "text/plain"},
    status=415,
)
INVALID_REQUEST = FAULTS.code(
    "request.invalid",
    message="the request is not valid",
    remedy="correct every value that is listed",
    cause="A parameter or header has the wrong form; each violation has its own code.",
    status=422,
)

KEY_MISSING = FAULTS.code(
    "auth.missing",
    message="the request carries no API key",
    remedy="send `Authorization: Bearer pm_live_…`; `penguin init` created the first key",
    cause="Every endpoint but the health check needs a key.",
    status=401,
)
KEY_INVALID = FAULTS.code(
    "auth.invalid",
    message="the API key is not valid",
    remedy="use a key of this control plane",
    cause="The key is unknown, mistyped or revoked.",
    status=401,
)
SCOPE_MISSING = FAULTS.code(
    "auth.scope",
    message="the key lacks the scope {scope}",
    remedy="use a key with that scope; operators create keys by `penguin keys create`",
    cause="A key permits only what its scopes name, and creates no key that permits more.",
    example={"scope": "tenants:write"},
    status=403,
)
KEY_OF_REQUEST = FAULTS.code(
    "auth.own_key",
    message="the key {prefix} is the one of this request",
    remedy="revoke it with another operator's key",
    cause="An operator who revokes the key in use locks itself out.",
    example={"prefix": "pm_live_3fK9aQ2z"},
    status=409,
)
OPERATORS_ONLY = FAULTS.code(
    "auth.operator",
    message="only operators may do this",
    remedy="ask the operator",
    cause="The key belongs to a tenant; only operators create and delete tenants.",
    status=403,
)

NOT_FOUND = FAULTS.code(
    "resource.not_found",
    message="there is no {kind} {name}",
    remedy="list them with `penguin get {plural}`",
    cause="Nothing of that kind has that name, or the key may not see it.",
    example={"kind": "tenant", "name": "acme", "plural": "tenants"},
    status=404,
)
NO_WARM_UP = FAULTS.code(
    "warmup.not_found",
    message="{kind} {name} sends no bulk mail, and has no warm-up",
    remedy="{remedy}",
    cause="Only what the sender uses is warmed up: addresses of bulk mail, verified From domains "
    "and declared mailboxes. An address of people's mail is not.",
    example={
        "kind": "address",
        "name": "198.18.1.10",
        "remedy": "name one that `penguin warmup show` lists",
    },
    status=404,
)
NOTHING_ACTIVE = FAULTS.code(
    "warmup.nothing_active",
    message="nothing of tenant {name} sends yet, so there is no warm-up to set",
    remedy="wait for it: `penguin wait tenant {name} --for=condition=SendingEnabled`",
    cause="What is warmed up is what the sender may use, which the reconciler publishes once a "
    "domain is verified.",
    example={"name": "acme"},
    status=409,
    acts=Actor.NOBODY,
)
NOTHING_TO_HOLD = FAULTS.code(
    "hold.not_found",
    message="no mail counts against {kind} {name}",
    remedy="{remedy}",
    cause="What is held is an address of bulk mail, a verified From domain, a declared mailbox, "
    "a receiving provider, an address at one, or a tenant.",
    example={
        "kind": "provider",
        "name": "gogle",
        "remedy": "name one of apple, google, microsoft, or an address at one: 198.18.1.2/google",
    },
    status=404,
)
HOLD_PAST = FAULTS.code(
    "hold.past",
    message="{until} is over",
    remedy="give a later time, or none: then only `penguin holds end` ends the hold",
    cause="A hold ends at a moment that is still to come.",
    example={"until": "2026-11-24T12:00:00Z"},
    status=422,
)
MAILBOX_ELSEWHERE = FAULTS.code(
    "mailbox.no_login",
    message="people do not log in to {address}: its host {host} has no Mailu",
    remedy="set `mail: mailu` of that host",
    cause="Mail clients need a host with Mailu.",
    example={"address": "ann@acme.example", "host": "mx1"},
    status=409,
)
MAILBOX_BUSY = FAULTS.code(
    "mailbox.busy",
    message="the reconciler has no time for {address} yet: nothing was done",
    remedy="try again; see `penguin describe tenant` for what it does",
    cause="Another operation of the tenant runs, the tenant is stalled, or no reconciler runs.",
    example={"address": "ann@acme.example"},
    status=503,
    retryable=True,
    acts=Actor.NOBODY,
)
MAILBOX_UNANSWERED = FAULTS.code(
    "mailbox.unanswered",
    message="the host of {address} gave no answer: {reason}",
    remedy="list the tokens of the mailbox before you make another, then try again",
    cause="Mailu on the host was not reached, or did not answer in time; what was asked for may "
    "have been done.",
    example={"address": "ann@acme.example", "reason": "the host took too long"},
    status=503,
    retryable=True,
    acts=Actor.OPERATOR,
)
TENANT_MISSING = FAULTS.code(
    "request.tenant_missing",
    message="the tenant is missing",
    remedy="add `tenant` (`--tenant` on the command line)",
    cause="An operator's key belongs to no tenant, so messages and addresses need the name of one.",
    status=422,
)
TENANT_EXISTS = FAULTS.code(
    "tenant.exists",
    message="tenant {name} exists already",
    remedy="change it with PUT /api/v1/tenants/{name}, or choose another name",
    cause="POST only creates, and the name is in use.",
    example={"name": "acme"},
    status=409,
)
TENANT_MOVED = FAULTS.code(
    "tenant.moved",
    message="tenant {name} is {state}, which does not satisfy {header}",
    remedy="read the tenant again, and repeat the request with its ETag",
    cause="The tenant was changed, created or deleted since it was read.",
    example={"name": "acme", "state": "at generation 3", "header": "If-Match"},
    status=412,
)
TENANT_WRONG_NAME = FAULTS.code(
    "tenant.wrong_name",
    message="metadata.name is {actual}, but the path has {name}",
    remedy="use the same name in both: a tenant cannot be renamed",
    cause="The name in the document differs from the one in the path.",
    example={"actual": "acne", "name": "acme"},
    status=422,
)
TENANT_DELETING = FAULTS.code(
    "tenant.deleting",
    message="tenant {name} is being deleted",
    remedy="wait until it is gone: `penguin wait tenant {name} --for=delete`",
    cause="A tenant that is being deleted cannot be changed, and sends no mail.",
    example={"name": "acme"},
    status=409,
    acts=Actor.NOBODY,
)
KEYS_PENDING = FAULTS.code(
    "tenant.keys_pending",
    message="the keys of tenant {name} do not exist yet",
    remedy="wait for the reconciler's first pass (`penguin serve reconciler`)",
    cause="The blueprint contains public keys, which the reconciler creates first.",
    example={"name": "acme"},
    status=409,
    retryable=True,
    acts=Actor.NOBODY,
)
DOMAIN_TAKEN = FAULTS.code(
    "domain.taken",
    message="domain {domain} cannot be used",
    remedy="use a domain of the tenant; ask the operator if it is yours",
    cause="The domain is another tenant's, in a domain or zone of another tenant, or has one in "
    "its own. A domain without `zone` whose records are written at Cloudflare counts as a whole "
    "registered domain. What a tenant gives up is free when its records are gone: if they are "
    "kept only for mail that is on its way, this refusal has them removed within minutes.",
    example={"domain": "acme.example"},
    status=409,
)
HOST_MAIL_STAYS = FAULTS.code(
    "host.mail_stays",
    message="host {host} has `mail: {before}`, which stays",
    remedy="put `mail: {before}` back, or declare another host with `mail: {wanted}` and take this "
    "one out",
    cause="The host gets Mailu at the moment: what its mailboxes had before is being moved.",
    example={"host": "mx1", "before": "mailu", "wanted": "none"},
)
HOST_LEAVES_MAIL = FAULTS.code(
    "host.leaves_mail",
    message="`mail: none` of host {host} destroys {mailboxes} mailbox(es) with {megabytes} MB of "
    "mail",
    remedy="copy the mail with `--export DIRECTORY`, or repeat it with `--discard NUMBER` "
    "(`discard=NUMBER`), the number of mails; or put `mail: mailu` back",
    cause="What people have in Mailu is not kept by the host without it; the numbers are those of "
    "the last look at the host.",
    example={"host": "mx1", "mailboxes": 3, "megabytes": 812},
    status=409,
)
DESTROYS_MAIL = FAULTS.code(
    "tenant.destroys_mail",
    message="this destroys {mailboxes} mailbox(es) with {megabytes} MB of mail: {names}",
    remedy="repeat it with `--yes-destroy-mail` (`destroy_mail=true`), or keep them in the "
    "document",
    cause="A host with Mailu, a domain or a mailbox is given up that has mail of people; the "
    "numbers are those of the last look at its host.",
    example={"mailboxes": 1, "megabytes": 812, "names": "ann@acme.example on mx1"},
    status=409,
)
SERVER_NOT_ENDED = FAULTS.code(
    "tenant.server_not_ended",
    message="host {host} has no server that has ended at the provider, so none is bought again",
    remedy="see `penguin describe tenant/{tenant}`; a server that has ended is known two minutes "
    "later",
    cause="A retry names hosts whose servers are to be bought again, and no such condition is "
    "known of this one: it has a server, is bought already, or is not in the document.",
    example={"host": "mx1", "tenant": "acme"},
    status=409,
)
STOPPED_BY_OPERATOR = FAULTS.code(
    "stop.by_operator",
    message="an operator stopped it: {reason}",
    remedy="ask the operator",
    cause="What an operator stopped, a tenant's key cannot start.",
    example={"reason": "complaints about the campaign of Monday"},
    status=403,
    acts=Actor.OPERATOR,
)
STOP_NAME = FAULTS.code(
    "stop.name",
    message="only a stop of the platform has no name",
    remedy="give the name of what is stopped, and none for the platform",
    cause="`scope` and `name` of a stop do not go together.",
    status=422,
)
STOP_FORM = FAULTS.code(
    "stop.form",
    message="no {scope} can have the name {name}",
    remedy="{remedy}",
    cause="The name in a stop has a form that none of its scope can have.",
    example={"scope": "queue", "name": "urgent", "remedy": "use one of: high, normal, low"},
    status=422,
)
STOP_TENANT = FAULTS.code(
    "stop.tenant",
    message="a stop of the platform or of a tenant names no further tenant",
    remedy="leave `tenant` out",
    cause="`tenant` tells whose domain, mailbox, campaign, queue or address is stopped.",
    status=422,
)
NO_SELECTION = FAULTS.code(
    "mailq.no_selection",
    message="nothing says which mail is meant",
    remedy="give at least one of tenant, code, recipient domain and ids",
    cause="What is done in bulk needs a selection; what is given must all be true of a mail.",
    status=422,
)
NOT_UNKNOWN = FAULTS.code(
    "mailq.not_unknown",
    message="the outcome of {id} is not unknown",
    remedy="see `penguin explain {id}`, and repeat the command without it",
    cause="Only an unknown outcome can be resolved; nothing was changed.",
    example={"id": "0199b1c2-0000-7000-8000-000000000001"},
    status=409,
)
NOT_RESTORED = FAULTS.code(
    "queue.not_restored",
    message="the database is the one that the queue belongs to",
    remedy="see `penguin queue stats`; there is nothing to recover",
    cause="A recovery is needed after the database was restored or promoted, and only once.",
    status=409,
)
DATABASE_BUSY = FAULTS.code(
    "database.busy",
    message="another request locked the same rows",
    remedy="send it again",
    cause="Two requests waited for each other, as when two tenants exchange their domains.",
    status=503,
    retryable=True,
    acts=Actor.NOBODY,
)
DATABASE_SLOW = FAULTS.code(
    "database.slow",
    message="the database did not finish in time: nothing was changed",
    remedy="ask for less, such as the mail of one tenant, or try again later",
    cause="A query is ended after 30 seconds, as one that reads a very large queue.",
    status=503,
    retryable=True,
    acts=Actor.NOBODY,
)
DATABASE_FULL = FAULTS.code(
    "database.disk_full",
    message="the disk of the database is full: nothing was written",
    remedy="free space on the disk of PostgreSQL's data directory, then try again",
    cause="PostgreSQL cannot write.",
    status=503,
    retryable=True,
    acts=Actor.OPERATOR,
)
DATABASE_UNAVAILABLE = FAULTS.code(
    "database.unavailable",
    message="the database cannot be used: {reason}",
    remedy="check that PostgreSQL runs, that its disk has space, and PENGUIN_DATABASE__DSN; "
    "`penguin serve` restarts an embedded server",
    cause="PostgreSQL is down, restarting or read-only, or refuses the connection.",
    example={"reason": "it does not answer, or cannot write"},
    status=503,
    retryable=True,
    acts=Actor.OPERATOR,
)
DATABASE_TOO_OLD = FAULTS.code(
    "database.too_old",
    message="PostgreSQL {version} is too old",
    remedy="use PostgreSQL 15 or later",
    cause="The schemas need features of PostgreSQL 15.",
    example={"version": 14},
    acts=Actor.OPERATOR,
)
DATABASE_POOLED = FAULTS.code(
    "database.pooled",
    message="the upgrade's connection goes through a pooler",
    remedy="name PostgreSQL itself in PENGUIN_DATABASE__ADMIN_DSN",
    cause="A pooler such as PgBouncer may change the session, and the upgrade holds a lock in it. "
    "Everything else works through a pooler in transaction mode.",
    acts=Actor.OPERATOR,
)
DATABASE_LOCKED = FAULTS.code(
    "database.locked",
    message="another session holds a lock that the upgrade needs",
    remedy="end long transactions (pg_stat_activity) and try again",
    cause="A step of the upgrade waits a few seconds for a table, and no longer.",
    retryable=True,
    acts=Actor.OPERATOR,
)
DATABASE_REFUSED = FAULTS.code(
    "database.refused",
    message="the database refuses the upgrade: {reason}",
    remedy="use a login that may create roles",
    cause="The upgrade creates roles and schemas, which its login may not.",
    example={"reason": "permission denied to create role"},
    acts=Actor.OPERATOR,
)
INTERNAL = FAULTS.code(
    "internal",
    message="the request failed with an internal error",
    remedy="report it with the log entry",
    cause="A defect; the log has its traceback.",
    status=500,
    acts=Actor.OPERATOR,
)

ACROSS_FIELDS = (
    TENANT_MISSING,
    TENANT_WRONG_NAME,
    STOP_NAME,
    STOP_FORM,
    STOP_TENANT,
    NO_SELECTION,
)
"""Rules that need more than one value of a request, or its key: not in the JSON Schema."""
