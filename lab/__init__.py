"""A whole Internet on one machine: emulated provider APIs in front of real hosts, DNS and mail."""
