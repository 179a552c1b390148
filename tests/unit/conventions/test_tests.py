"""Tests sleep in one helper, and patch code only where a list gives the reason."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.paths import checkout

TESTS = checkout() / "tests"
CRASH = "the process dies at this point of a system call or of a purchase"
REPLACED = {
    "e2e/playbooks/conftest.py": (1, "records the events that Ansible sends"),
    "integration/conftest.py": (1, "an RSA key is made once for many domains"),
    "integration/controlplane/test_mailboxes_api.py": (1, "a request that waits its whole time"),
    "integration/hostwinds/test_client.py": (1, "a name with addresses of both families"),
    "integration/hostwinds/test_journal.py": (1, CRASH),
    "integration/hostwinds/test_purchase.py": (4, CRASH),
    "integration/provisioning/test_host_and_name_faults.py": (1, "SSH at a port of this machine"),
    "integration/sender/queue/test_outages.py": (1, "the answer of a commit is lost"),
    "integration/sender/queue/test_workers.py": (1, "a hold ends while slots are taken over"),
    "integration/sender/test_failed_attempts.py": (1, "every accepted message can be composed"),
    "integration/verification/test_name_troubles.py": (1, "a machine without a resolver"),
    "integration/verification/test_submission.py": (1, "a server that does not answer in time"),
    "unit/authority/test_credentials.py": (1, "records the arguments of openssl"),
    "unit/cli/test_exporting.py": (1, "mailboxes at port 993 of a host"),
    "unit/kit/test_files.py": (1, CRASH),
    "unit/sender/test_sending_outcomes.py": (1, "a step breaks after the intent"),
    "unit/vault/test_vault.py": (1, CRASH),
}
"""Uses of `setattr` by pytest's monkeypatch, and the reason; an argument is better."""
SKIPPED = {
    "contract/mailu/conftest.py": "files of a real Mailu",
    "contract/mailu/mail/conftest.py": "a real Mailu, or the names of its hosts",
    "integration/playbooks/test_configurator_conformance.py": "port 22 of a loopback address",
    "support/families.py": "IPv6",
    "support/machine.py": "root and namespaces",
}
"""What a machine may lack for ever: the only reason for a skip. What is busy is waited for."""
PAUSES = "support/waiting.py"
PACED = ("bench/queue/", "bench/reconciler/", "bench/sender/", "bench/soak/", "chaos/")
"""A steady load is made by pauses, and outages last for a while. The benchmark's processes have
only the measured queue's packages."""


def calls(path: Path, *functions: str) -> Iterator[str]:
    """Yield one of these functions for each call of it."""
    text = path.read_text()
    if any(function.rpartition(".")[2] in text for function in functions):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in functions:
                yield name


@pytest.fixture(scope="module")
def files() -> dict[str, Path]:
    return {str(path.relative_to(TESTS)): path for path in TESTS.rglob("*.py")}


def test_code_is_replaced_only_where_it_is_listed(files: dict[str, Path]) -> None:
    modules = Counter(
        name
        for name, path in files.items()
        for _ in calls(path, "monkeypatch.setattr", "patch.setattr")
    )
    assert modules == {name: count for name, (count, _) in REPLACED.items()}


def test_only_one_helper_pauses(files: dict[str, Path]) -> None:
    modules = {
        name
        for name, path in files.items()
        if not name.startswith(PACED)
        for _ in calls(path, "time.sleep", "asyncio.sleep", "threading.Event().wait")
    }
    assert modules == {PAUSES}


def test_tests_are_skipped_only_where_they_can_never_run(files: dict[str, Path]) -> None:
    modules = {name for name, path in files.items() if any(calls(path, "pytest.skip"))}
    assert modules == set(SKIPPED)


def test_auditor_of_reconcilers_imports_no_code_of_ours(files: dict[str, Path]) -> None:
    tree = ast.parse(files["chaos/reconciler/auditor.py"].read_text())
    imported = {
        (node.module or "").partition(".")[0] if isinstance(node, ast.ImportFrom) else name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    ours = {path.parent.name for path in TESTS.parent.glob("*/__init__.py")}
    assert not imported & ours
