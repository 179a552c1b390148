"""Entry of `pulumi up`: the blueprint comes from the control plane or from a file."""

import pulumi

from stacks.program import run
from stacks.source import blueprint_of

run(lambda: blueprint_of(pulumi.Config("penguin"), pulumi.get_stack()))
