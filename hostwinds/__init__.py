"""Hostwinds Cloud: typed client, purchase journal, and a native Pulumi provider over them."""

VERSION = "0.1.0"
"""Of the provider; its plugin directory and SDK name just this one."""
