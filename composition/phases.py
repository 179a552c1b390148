"""The reconciler's table, as the API, the reference and the bench know it, without adapters."""

from __future__ import annotations

from controlplane.reconciler.phases.activation import Activation
from controlplane.reconciler.phases.cloud import Cloud
from controlplane.reconciler.phases.configuration import Configuration
from controlplane.reconciler.phases.dns import Dns
from controlplane.reconciler.phases.keys import Keys
from controlplane.reconciler.phases.verification import Verification
from controlplane.reconciler.table import Row

ROWS: tuple[Row, ...] = (
    Keys.row,
    Cloud.row,
    Dns.row,
    Configuration.row,
    Verification.row,
    Activation.row,
)
