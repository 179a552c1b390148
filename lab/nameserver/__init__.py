"""The DNS of the lab: one guest with an authoritative server for everything, and a resolver."""
