"""What the reconciler asks the provider itself, beside the engine."""
