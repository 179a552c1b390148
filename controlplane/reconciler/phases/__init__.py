"""The phases, one file each; none knows another. Who composes them is the composition root."""
