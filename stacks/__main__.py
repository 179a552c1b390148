"""Entry of `pulumi up`: the blueprint comes from the control plane or from a file."""

import pulumi

from stacks.program import declare, run
from stacks.source import blueprint_of, refuse_configured_provider


def by_hand() -> None:
    """Declare the tenant of this stack."""
    refuse_configured_provider(pulumi.Config("cloudflare"))
    declare(blueprint_of(pulumi.Config("penguin"), pulumi.get_stack()))


run(by_hand)
