"""The parts of a control plane: each in a process of its own, with only the settings it needs."""
