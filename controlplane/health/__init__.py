"""Whether the processes and servers of the platform work."""
