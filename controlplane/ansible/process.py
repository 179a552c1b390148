"""`python -m controlplane.ansible.process ARGUMENT…`: `ansible-playbook`, with a faster start.

A third of its start was paramiko, which it loads if installed and which no connection of ours uses,
and the search for garbage among what it loads.
"""

from __future__ import annotations

import gc

from kit.packages import absent


def main() -> None:
    """Run `ansible-playbook` with the arguments of this process."""
    gc.disable()
    with absent("paramiko"):
        from ansible.cli.playbook import main as playbook
    gc.freeze()
    gc.enable()
    playbook()


if __name__ == "__main__":
    main()
