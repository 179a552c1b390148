"""Code shared by several groups of tests."""
