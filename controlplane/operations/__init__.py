"""Changes of external systems: when, by which process and with what outcome."""
