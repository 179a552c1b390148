"""Limits of the plans and resources of the sizes, as data."""

from __future__ import annotations

from dataclasses import dataclass

from blueprint.tenant import Plan, Size

UNLIMITED = -1


@dataclass(frozen=True)
class PlanLimits:
    """Limits of a plan; -1 is unlimited."""

    domains: int
    mails_per_month: int
    """Of the mails that are queued in a calendar month (UTC)."""
    mails_queued: int
    """At a time, whatever they wait for."""
    included_addresses: int
    """How many addresses beside the primary ones the plan's price covers; no limit."""


PLANS = {
    Plan.STARTER: PlanLimits(
        domains=5, mails_per_month=10_000, mails_queued=10_000, included_addresses=0
    ),
    Plan.PROFESSIONAL: PlanLimits(
        domains=15, mails_per_month=50_000, mails_queued=50_000, included_addresses=0
    ),
    Plan.BUSINESS: PlanLimits(
        domains=UNLIMITED, mails_per_month=200_000, mails_queued=200_000, included_addresses=1
    ),
    Plan.ENTERPRISE: PlanLimits(
        domains=UNLIMITED,
        mails_per_month=UNLIMITED,
        mails_queued=1_000_000,
        included_addresses=UNLIMITED,
    ),
}


@dataclass(frozen=True)
class SizeSpec:
    """Resources of a VPS of one size."""

    cpu: int
    ram_mb: int
    disk_gb: int
    mails_per_day: int
    """Not enforced yet."""
    price_is_estimate: bool


SIZES = {
    Size.STARTER: SizeSpec(1, 2048, 50, 5_000, price_is_estimate=False),
    Size.PROFESSIONAL: SizeSpec(2, 4096, 75, 25_000, price_is_estimate=True),
    Size.BUSINESS: SizeSpec(4, 8192, 150, 100_000, price_is_estimate=True),
}
