"""Errors of the embedded servers and of the Pulumi engine."""

from __future__ import annotations

from kit.faults import Actor, Table

FAULTS = Table("tools", "The embedded servers and the Pulumi engine of this machine")

START_FAILED = FAULTS.code(
    "servers.start_failed",
    message="{server} did not start: {reason}",
    remedy="read its log; if its data is damaged, move its directory away and start again",
    cause="The server ended during its start; the reason is the last line of its log.",
    example={"server": "PostgreSQL", "reason": 'could not open file "global/pg_control"'},
    acts=Actor.OPERATOR,
)
UNRESPONSIVE = FAULTS.code(
    "servers.unresponsive",
    message="{server} (process {pid}) does not {reaction}",
    remedy="read its log; `kill -KILL {pid}` ends it and loses no data, then start it again",
    cause="The server's process is running, but did not answer or stop in time.",
    example={"server": "Valkey", "pid": 4711, "reaction": "answer"},
    acts=Actor.OPERATOR,
)
DISK_FULL = FAULTS.code(
    "servers.disk_full",
    message="{server} cannot write: no space is left on its disk",
    remedy="free some space, or set PENGUIN_STATE_DIR to a larger disk, then start it again",
    cause="The disk of the state directory is full.",
    example={"server": "PostgreSQL"},
    acts=Actor.OPERATOR,
)
PASSWORD_REFUSED = FAULTS.code(
    "servers.password_refused",
    message="{server} does not accept the password in {file}",
    remedy="restore that file, or stop the server and move its directory away for a new one",
    cause="The file with the server's generated password was changed or removed.",
    example={"server": "PostgreSQL", "file": ".penguin/postgres/password"},
    acts=Actor.OPERATOR,
)
NO_ACCOUNT = FAULTS.code(
    "servers.no_account",
    message="the account {account} cannot be created: {reason}",
    remedy="create a system account of that name without login, or set PENGUIN_DATABASE__DSN and "
    "PENGUIN_REDIS__URL to servers of your own",
    cause="Servers that root starts run as an account of their own, which is not on this machine.",
    example={"account": "penguin-servers", "reason": "this machine has no useradd"},
    acts=Actor.OPERATOR,
)
NOT_REACHABLE = FAULTS.code(
    "servers.not_reachable",
    message="the account {account} cannot reach {directory}",
    remedy="set PENGUIN_STATE_DIR to a directory below one that every user may enter",
    cause="The servers of root run as an account of their own, and a directory above their data is "
    "closed to other users.",
    example={"account": "penguin-servers", "directory": "/root/state/postgres"},
    acts=Actor.OPERATOR,
)
FOREIGN_DIRECTORY = FAULTS.code(
    "servers.foreign_directory",
    message="{directory} belongs to the account {account}, which could put links in root's way",
    remedy="run it as that account; or set PENGUIN_STATE_DIR to a directory of root, or give this "
    "one to root after a look at what is in it",
    cause="Root keeps passwords and programs in the state directory, and follows what is there.",
    example={"directory": "/home/alice/state", "account": "alice"},
    acts=Actor.OPERATOR,
)

ENGINE_MISSING = FAULTS.code(
    "engine.missing",
    message="the Pulumi command {version} is not on this machine",
    remedy="run `penguin engine build`",
    cause="Nothing can be created at a provider without the Pulumi command of the pinned version.",
    example={"version": "3.259.0"},
    acts=Actor.OPERATOR,
)
GO_MISSING = FAULTS.code(
    "engine.no_go",
    message="the Pulumi command {version} is not on this machine and Go is missing to build it",
    remedy="install Go 1.26 or newer, or put pulumi {version} on PATH",
    cause="The command can be neither downloaded nor built on this machine.",
    example={"version": "3.259.0"},
    acts=Actor.OPERATOR,
)
BUILD_FAILED = FAULTS.code(
    "engine.build_failed",
    message="building the Pulumi command failed: {reason}",
    remedy="check that the Go module proxy can be reached and that 4 GB of disk are free",
    cause="The Go tool failed; the reason is its last line.",
    example={"reason": "no space left on device"},
    acts=Actor.OPERATOR,
)
