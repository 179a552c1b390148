"""Variables by which who starts the provider says what it cannot see by itself."""

from __future__ import annotations

LOST_POINTERS = "HOSTWINDS_LOST_POINTERS"
"""Addresses whose reverse names are other ones, as name servers show; separated by spaces."""
SERVER_DEADLINE = "HOSTWINDS_SERVER_DEADLINE"
"""How long a run waits for a server that it has ordered; seconds. Not set: until it is active."""
END_DEADLINE = "HOSTWINDS_END_DEADLINE"
"""How long a run waits until a server is gone whose end it has asked for; seconds. Not set: until
it is gone. Where it is, the listing of the account sees the end through (`Buyer.end_instance`)."""
PORTAL_DEADLINE = "HOSTWINDS_PORTAL_DEADLINE"
"""How long a run waits for an address that is to be bought in the portal; seconds."""
