"""Metrics of a reconciler process, as Prometheus reads them."""

from __future__ import annotations

from datetime import timedelta

from controlplane.reconciler.metrics import Metrics
from controlplane.reconciler.outcome import Outcome


def test_age_of_the_last_listing_is_shown_where_the_account_is_listed() -> None:
    assert "sweep_age" not in Metrics().text()
    shown = Metrics(sweep_age=lambda: 42.5).text()
    assert "\npenguin_reconciler_sweep_age_seconds 42.5\n" in shown


def test_process_shows_workers_passes_and_operations() -> None:
    metrics = Metrics(workers=3)
    with metrics.working():
        took = timedelta(seconds=90, milliseconds=500)
        metrics.operation_ended("cloud", "succeeded", took, peak=2000)
        metrics.operation_ended("cloud", "failed", timedelta(0), peak=1000)
        metrics.operation_ended("cloud", "succeeded", timedelta(seconds=-5))
        lines = metrics.text().splitlines()
    assert 'penguin_reconciler_workers{state="busy"} 1' in lines
    assert 'penguin_reconciler_workers{state="idle"} 2' in lines
    operations = '{phase="cloud",outcome="succeeded"}'
    assert f"penguin_reconciler_operations_total{operations} 2" in lines
    assert f"penguin_reconciler_operation_seconds_total{operations} 90.5" in lines
    assert 'penguin_reconciler_operation_peak_bytes{phase="cloud"} 2000' in lines
    assert 'penguin_reconciler_passes_total{outcome="lease lost"} 0' in lines
    metrics.passes_ended(Outcome.LEASE_LOST)
    lines = metrics.text().splitlines()
    assert 'penguin_reconciler_passes_total{outcome="lease lost"} 1' in lines
    assert 'penguin_reconciler_workers{state="busy"} 0' in lines
