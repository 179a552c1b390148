"""Whether the queue grows while it works, and what a deep queue costs: `make soak-queue`."""
