"""Stops: no mail leaves for what is stopped until it is started; read at claim and at intent."""

from sender.stops.matching import Mail, Target, holding, widest_first
from sender.stops.repository import find, list_stops, start, stop, stops_of, stops_reading

__all__ = [
    "Mail",
    "Target",
    "find",
    "holding",
    "list_stops",
    "start",
    "stop",
    "stops_of",
    "stops_reading",
    "widest_first",
]
