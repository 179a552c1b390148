"""Metrics in Prometheus' text form (version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
Labels = tuple[str, ...]


@dataclass(frozen=True)
class Metric:
    """One metric with its samples. Each label has few values: every combination is a series."""

    name: str
    """`penguin_queue_mails`; a counter ends in `_total`."""
    kind: Literal["gauge", "counter", "summary"]
    about: str
    """One line."""
    labels: Labels
    samples: Mapping[Labels, float]
    """By the values of the labels."""

    @classmethod
    def gauge(cls, name: str, about: str, value: float) -> Metric:
        """Return a gauge without labels."""
        return cls(name, "gauge", about, (), {(): value})


def exposition(metrics: Iterable[Metric]) -> str:
    """Return the text that a scrape gets."""
    return "".join(line + "\n" for metric in metrics for line in _lines(metric))


def _lines(metric: Metric) -> Iterable[str]:
    yield f"# HELP {metric.name} {metric.about}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for values, sample in sorted(metric.samples.items()):
        pairs = zip(metric.labels, values, strict=True)
        labels = ",".join(f'{name}="{value.translate(ESCAPES)}"' for name, value in pairs)
        yield (
            f"{metric.name}{{{labels}}} {_number(sample)}"
            if labels
            else f"{metric.name} {_number(sample)}"
        )


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
