"""One module for each measured queue; its class is named Queue."""
