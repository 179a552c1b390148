"""The page of the error codes, printed from the rooms' tables."""

from __future__ import annotations

import controlplane.verification.outbound.faults
import controlplane.verification.roundtrip.faults  # noqa: F401 - their codes are in that table
from blueprint.faults import FAULTS as BLUEPRINT
from cli.faults import FAULTS as CLI
from composition.faults import FAULTS as COMPOSITION
from controlplane.ansible.faults import FAULTS as ANSIBLE
from controlplane.authority.faults import FAULTS as AUTHORITY
from controlplane.certificates.faults import FAULTS as CERTIFICATES
from controlplane.faults import FAULTS as CONTROLPLANE
from controlplane.images.faults import FAULTS as IMAGES
from controlplane.mailu.faults import FAULTS as MAILU
from controlplane.pulumi.faults import FAULTS as PULUMI
from controlplane.reconciler.faults import FAULTS as RECONCILER
from controlplane.verification.faults import FAULTS as VERIFICATION
from hostwinds.faults import FAULTS as HOSTWINDS
from kit.faults import Code
from lab.faults import FAULTS as LAB
from sandbox.faults import FAULTS as SANDBOX
from sender.faults import FAULTS as SENDER
from stacks.faults import FAULTS as STACKS
from tools.faults import FAULTS as TOOLS
from vault.faults import FAULTS as VAULT

TABLES = (
    CLI,
    COMPOSITION,
    CONTROLPLANE,
    IMAGES,
    BLUEPRINT,
    SENDER,
    VAULT,
    AUTHORITY,
    CERTIFICATES,
    RECONCILER,
    PULUMI,
    STACKS,
    HOSTWINDS,
    ANSIBLE,
    MAILU,
    VERIFICATION,
    TOOLS,
    LAB,
    SANDBOX,
)
"""The table of every room; a new one is added here."""

HEAD = """# Error codes

Codes are stable: scripts may rely on them. Each entry tells why it happens, who has to act, whether
doing the same again can help, and an example of its text: what happened, then what to do. The API
answers with the status where one is given. The reason of a condition is the code in one word
(`dns.foreign_record`: `DnsForeignRecord`).

Beside these, `setup.failed` is a step of `make setup`, which runs before anything is installed.
"""


def page() -> str:
    """List every code of every table."""
    text = HEAD
    for table in TABLES:
        text += f"\n## {table.package}\n\n{table.about}.\n"
        text += "".join(_entry(code) for code in table)
    return text


def _entry(code: Code) -> str:
    example = code.shown()
    facts = [f"HTTP {code.status}"] if code.status else []
    facts += [f"acts: {code.acts}", f"retryable: {'yes' if code.retryable else 'no'}"]
    remedy = f"  \n> do: {example.remedy}" if example.remedy else ""
    return (
        f"\n### `{code.name}`\n\n{code.cause}  \n{' · '.join(facts)}\n\n"
        f"> {example.message}{remedy}\n"
    )
