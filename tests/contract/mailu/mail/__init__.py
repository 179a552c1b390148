"""The mail half of the contract: it needs all containers, not admin alone."""
