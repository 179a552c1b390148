"""What an error of the database is, where it is no defect of ours."""

from __future__ import annotations

import structlog
from psycopg import errors
from sqlalchemy import exc

from controlplane.faults import (
    DATABASE_BUSY,
    DATABASE_FULL,
    DATABASE_SLOW,
    DATABASE_UNAVAILABLE,
)
from kit.faults import Fault

log = structlog.get_logger()
ERRORS = (
    exc.OperationalError,
    exc.InterfaceError,
    exc.InternalError,
    exc.TimeoutError,
    errors.OperationalError,  # the driver's own, of a statement that it was given directly
    errors.InterfaceError,
    errors.InternalError,
)
"""The database is away, cannot write, or gave up."""
CONFLICTS = (errors.DeadlockDetected, errors.LockNotAvailable, errors.SerializationFailure)
"""Two transactions that wait for each other, as when two tenants exchange their domains."""
NO_ANSWER = "it does not answer, or cannot write"
"""The driver's own message may contain hosts and logins."""


def database_fault(error: BaseException) -> Fault | None:
    """Return the fault of an error of the database; None for any other error."""
    if not isinstance(error, ERRORS):
        return None
    cause = getattr(error, "orig", error)
    if isinstance(cause, errors.QueryCanceled):
        return DATABASE_SLOW()
    if isinstance(cause, CONFLICTS):
        return DATABASE_BUSY()
    if isinstance(cause, errors.DiskFull):
        return DATABASE_FULL()
    return DATABASE_UNAVAILABLE(reason=NO_ANSWER)


def log_failure(error: Exception, what: str, **where: object) -> None:
    """Log an error: in one line where the database failed, else with its traceback."""
    if (fault := database_fault(error)) is not None:
        log.warning(what, code=fault.code.name, error=fault.message, **where)
    else:
        log.error(what, exc_info=error, **where)


def shown(error: Exception) -> str:
    """Return an error in one line for a log: what the database has, else the kind of error, whose
    text may contain hosts and logins."""
    fault = database_fault(error)
    return type(error).__name__ if fault is None else fault.message
