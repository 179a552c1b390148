"""`python -m controlplane.ansible.process ARGUMENT…`: `ansible-playbook`, with a faster start.

A third of its start was paramiko, which it loads if installed and which no connection of ours uses,
and the search for garbage among what it loads.
"""

from __future__ import annotations

from kit.packages import absent, loaded_for_good


def main() -> None:
    """Run `ansible-playbook` with the arguments of this process."""
    with loaded_for_good(), absent("paramiko"):
        from ansible.cli.playbook import main as playbook
    playbook()


if __name__ == "__main__":
    main()
