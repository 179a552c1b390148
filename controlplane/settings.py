"""Settings of the reconciler."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, Field

from blueprint.fields import Count, Duration


class ReconcilerSettings(BaseModel):
    """How tenants are reconciled."""

    workers: Count = Field(default=2, ge=1)
    """Tenants that are reconciled at the same time."""
    poll: Duration = timedelta(milliseconds=500)
    """How often an idle worker checks for a tenant that is due."""
    lease: Duration = timedelta(seconds=60)
    """How long a pass may be silent before another process takes the tenant over."""
    retry_base: Duration = timedelta(seconds=2)
    """Upper bound of the first wait after a failure; doubles with each further one."""
    retry_cap: Duration = timedelta(minutes=5)
    """Upper bound of every wait after a failure."""
    resync: Duration = timedelta(minutes=10)
    """How often a tenant that is Ready is observed."""
    drain: Duration = timedelta(hours=48)
    """How long an address, a host or a domain's key that is no longer wanted is kept for the mail
    that hosts have to send: as long as a host tries."""
    cloud_deadline: Duration = timedelta(minutes=75)
    """How long one Pulumi operation may take: longer than a new server until it is listed (30
    minutes) and active (30 more)."""
    stop_within: Duration = timedelta(seconds=60)
    """How long a pass may continue after SIGTERM before it is cancelled; the next one observes."""
