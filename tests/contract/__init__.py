"""Suites that an emulator and what it stands for must both pass."""
