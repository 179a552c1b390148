"""This installation: settings become parts, parts become processes."""
