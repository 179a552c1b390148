"""Metrics as Prometheus reads them."""

from __future__ import annotations

from kit.metrics import Metric, exposition


def test_metrics_are_written_with_help_type_and_escaped_labels() -> None:
    metric = Metric(
        "mails_total",
        "counter",
        "Mails.",
        ("state", "reason"),
        {("dead", 'a "b"\\\n'): 2.0, ("dead", ""): 1_234_567.0},
    )
    assert exposition([metric, Metric.gauge("age_seconds", "Age.", 0.25)]) == (
        "# HELP mails_total Mails.\n"
        "# TYPE mails_total counter\n"
        'mails_total{state="dead",reason=""} 1234567\n'
        'mails_total{state="dead",reason="a \\"b\\"\\\\\\n"} 2\n'
        "# HELP age_seconds Age.\n"
        "# TYPE age_seconds gauge\n"
        "age_seconds 0.25\n"
    )
