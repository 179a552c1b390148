"""The parts of a control plane: each runs in a process of its own, with what it needs alone."""
