from __future__ import annotations
import pytest
from tests.integration.tools.test_cloudflare_by_hand import *

pytestmark = pytest.mark.engine

FAULTS_ = [
    "refused_with_200",
    "lost_answer",
    "old_wrapper",
    "out_of_reach",
    "server_error",
    "read_error",
]


@pytest.mark.parametrize("fault", FAULTS_)
def test_attack(any_plugin, account, fault):
    s = any_plugin
    s.write_records(host={**HOST, "comment": "pm:acme:a"}, policy=POLICY)
    account.faults.inject(fault, times=2)
    r1 = s.run("up", "--yes", "--skip-preview")
    account.faults.clear()
    print("UP1", fault, r1.returncode, r1.stdout[-300:] if r1.returncode else "")
    s.up("--refresh")
    assert len(records(account)) == 2, records(account)
    ids = {r["id"] for r in records(account)}
    s.write_records(
        host={**HOST, "comment": "pm:acme:a"}, policy={**POLICY, "content": "v=spf1 -all"}
    )
    account.faults.inject(fault, times=2)
    r2 = s.run("up", "--yes", "--skip-preview")
    account.faults.clear()
    print("UP2", fault, r2.returncode, r2.stdout[-300:] if r2.returncode else "")
    s.up()
    assert {r["id"] for r in records(account)} == ids
    assert "v=spf1 -all" in {r["content"] for r in records(account)}
    account.faults.inject(fault, times=2)
    r3 = s.run("refresh", "--yes", "--skip-preview")
    account.faults.clear()
    print("REFRESH", fault, r3.returncode, r3.stdout[-300:] if r3.returncode else "")
    s.up("--expect-no-changes")
    assert {r["id"] for r in records(account)} == ids
    account.faults.inject(fault, times=2)
    r4 = s.run("destroy", "--yes", "--skip-preview")
    account.faults.clear()
    print("DESTROY", fault, r4.returncode, r4.stdout[-300:] if r4.returncode else "")
    if r4.returncode:
        s.run("destroy", "--yes", "--skip-preview")
    assert records(account) == []
