"""What the reconciler can be set to."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, Field


class ReconcilerSettings(BaseModel):
    """How reality is brought to the desired state."""

    workers: int = Field(default=2, ge=1)
    """Tenants visited at the same time."""
    poll: timedelta = timedelta(milliseconds=500)
    """How often an idle worker looks for a tenant that is due."""
    lease: timedelta = timedelta(seconds=60)
    """How long a visit may be silent before another process takes the tenant over."""
    retry_base: timedelta = timedelta(seconds=2)
    """Upper bound of the first wait after a failure; doubles with each further one."""
    retry_cap: timedelta = timedelta(minutes=5)
    """Upper bound of every wait after a failure."""
    resync: timedelta = timedelta(minutes=10)
    """How often a tenant that is Ready is looked at."""
    cloud_deadline: timedelta = timedelta(minutes=20)
    """How long one Pulumi operation may take."""
    stop_within: timedelta = timedelta(seconds=60)
    """How long a pass may go on after SIGTERM; then it is cut off, and the next one observes."""
