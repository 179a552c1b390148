"""What was done outside, when, by whom and with what outcome."""
