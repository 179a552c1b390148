"""Errors of the composition root: setting up an installation, and running it."""

from __future__ import annotations

from kit.faults import Actor, Table

FAULTS = Table("composition", "Setting an installation up, and running it")

SETTINGS_MISSING = FAULTS.code(
    "settings.missing",
    message="this installation has no settings yet",
    remedy="run `penguin init`",
    cause="`settings.env` is not in the state directory.",
    acts=Actor.OPERATOR,
)
INIT_EXISTS = FAULTS.code(
    "init.exists",
    message="this installation is set up already",
    remedy="edit the file; to start over, remove it and everything beside it",
    cause="`penguin init` creates settings and keys once.",
    acts=Actor.OPERATOR,
)
DATABASE_NOT_UPGRADED = FAULTS.code(
    "database.not_upgraded",
    message="the database is not ready: {reason}",
    remedy="run `penguin db upgrade`",
    cause="Roles or tables of this version are not in the database.",
    example={"reason": 'relation "oltp.tenants" does not exist'},
    acts=Actor.OPERATOR,
)
NO_ENGINE = FAULTS.code(
    "serve.no_engine",
    message="{variable} is not set: the reconciler cannot run the engine",
    remedy='run `eval "$(penguin lab env)"`, or `make up`, or set the variables of your own '
    "provider and Pulumi backend",
    cause="The reconciler runs the Pulumi engine with the variables of the environment.",
    example={"variable": "PULUMI_BACKEND_URL"},
    acts=Actor.OPERATOR,
)
LIMIT_NOT_READ = FAULTS.code(
    "serve.limit_not_read",
    message="{variable} is not read any more: purchases would not be limited",
    remedy="remove it, and run `penguin limits set platform {option} … --reason …`",
    cause="Limits on purchases are in the purchase journal, for the platform and for each tenant.",
    example={"variable": "HOSTWINDS_MONTHLY_LIMIT", "option": "--monthly"},
    acts=Actor.OPERATOR,
)
PORT_TAKEN = FAULTS.code(
    "serve.port_taken",
    message="port {port} of {host} is in use",
    remedy="stop the other program, or set {setting}__PORT (0 picks a free one)",
    cause="Another program listens at the address.",
    example={"port": 8400, "host": "127.0.0.1", "setting": "PENGUIN_API"},
    acts=Actor.OPERATOR,
)
NOT_LISTENING = FAULTS.code(
    "serve.not_listening",
    message="cannot listen at port {port} of {host}: {reason}",
    remedy="set {setting}__HOST to an address of this machine, {setting}__PORT above 1023",
    cause="The address is not this machine's, or the port needs more rights.",
    example={
        "port": 80,
        "host": "127.0.0.1",
        "reason": "Permission denied",
        "setting": "PENGUIN_API",
    },
    acts=Actor.OPERATOR,
)
PARTS_DOWN = FAULTS.code(
    "serve.parts_down",
    message="every part has ended too often: {parts}",
    remedy="correct the cause that the log names, then start again",
    cause="A part that ends five times within a minute is not started again.",
    example={"parts": "api, sender"},
    acts=Actor.OPERATOR,
)
NO_SUCH_PURCHASE = FAULTS.code(
    "hostwinds.no_such_purchase",
    message="there is no purchase named {name}",
    remedy="list the purchases with `penguin purchases --all`",
    cause="The purchase journal contains no intent of that name.",
    example={"name": "acme-mx1-3f9a2c"},
    acts=Actor.OPERATOR,
)
ORDERED_ALREADY = FAULTS.code(
    "hostwinds.ordered_already",
    message="{name} was ordered already",
    remedy="see `penguin purchases --all`",
    cause="A price is agreed to before the order.",
    example={"name": "k3f9a-acme-mx1-3f9a2c71be"},
    acts=Actor.OPERATOR,
)
