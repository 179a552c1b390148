"""Questions about single mailboxes: the API asks, the reconciler answers, nothing is kept."""
