"""`lab down` leaves the machine as it was, however the lab ended.

Each test runs in its own namespaces, so that a lab in use on this machine is not affected.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import repository
from tests.support.own_namespaces import own_state, run_apart

pytestmark = pytest.mark.hosts

FETCH = f"import urllib.request as web; web.urlopen('{repository.URL}Release', timeout=60)"
"""What a guest runs to fetch packages."""

SCRIPT = r"""
how=$1
around=$(dirname "$state")
if [ "$how" = building ]; then  # by a bootstrap that mounts as the real one does, and does not end
  export PENGUIN_CACHE_DIR="$around/cache"; mkdir "$PENGUIN_CACHE_DIR"; mkfifo "$around/mounted"
  cat > "$around/mmdebstrap" <<END
#!/bin/bash
for root; do [ "\${root##*/}" = root ] && break; done
mkdir -p "\$root/sys"; mount --rbind /sys "\$root/sys"
echo > "$around/mounted"; exec sleep 1000
END
  chmod 755 "$around/mmdebstrap"; mount --bind "$around/mmdebstrap" /usr/bin/mmdebstrap
fi
lab() { "$python" -m cli.main lab "$@"; }
look() {
  # Another test, or a run of chaos, may stop its servers and remove its disks meanwhile.
  grep -v -e /test-servers/ -e /chaos-reconciler/ /proc/self/mounts | sort
  ip -o link | cut -d: -f2; ip netns list; nft list tables; cat /proc/sys/net/ipv4/ip_forward
  find "$groups" -mindepth 1 -type d; find /run "$state" | grep -v lab.log
  if [ "$how" = building ]; then find "$PENGUIN_CACHE_DIR" -mindepth 3; fi
  ps -e -o stat= -o comm= > "$around/processes"  # not into a pipe, whose processes it might list
  grep -v ^Z "$around/processes" | cut -c5- | sort
}
chrooted() {  # into the receiver's disk before it is booted
  local disk="$state/lab/hosts/rcpt/m"
  for process in /proc/[0-9]*; do  # without a fork for most, or a loaded machine is too late
    [ "$process/root" -ef "$disk" ] && [ "$(readlink "$process/root")" = "$disk" ] || continue
    echo "${process#/proc/}"
  done
}
if [ "$how" = regular ]; then  # with a firewall that admits nothing
  nft -f - <<'END'
table inet strict {
  chain input {
    type filter hook input priority 0; policy drop;
    iif lo accept
    ct state established,related accept
  }
}
END
fi
lab up --api-only > /dev/null; lab down > /dev/null
look > "$around/before"
case $how in
  building) lab up & read -r _ < "$around/mounted"; kill -9 -1 ;;
  booting) lab up & until [ -e "$state/lab/hosts/dns/console.log" ]; do kill -0 $!; done
    kill -9 -1 ;;
  preparing) lab up & up=$!
    until pids=$(chrooted) && [ -n "$pids" ] && kill -STOP $pids; do :; done
    wait "$up" ;;
  *) lab up ;;
esac
case $how in
  regular) ip netns exec lab-dns "$python" -c "$FETCH" ;;
  daemon|preparing) kill -9 "$(sed -n 's/.*"process": "\([0-9]*\).*/\1/p' "$state/lab/lab.json")" ;;
  everything) kill -9 -1 ;;
  forgotten) kill -9 -1; rm /run/penguinmails-lab ;;
esac
lab status -o json > "$around/status-before"
lab down; lab down
lab status -o json > "$around/status-after"
look > "$around/after"
diff "$around/before" "$around/after"
case $how in
  regular|booting) lab up ;;
  *) lab up --api-only ;;
esac
lab down
"""


NETWORK = {"namespaces", "links", "mounts", "disks"}
LEFTOVERS = {
    "daemon": {*NETWORK, "processes", "lock file"},
    "everything": {*NETWORK, "lock file"},
    "forgotten": NETWORK,
    "booting": {*NETWORK, "lock file"},
    "preparing": {*NETWORK, "lock file"},
    "building": {"lock file"},
}
"""What `lab status` reports, by how the lab ended."""


@pytest.fixture
def state() -> Iterator[Path]:
    """A state directory with a space in its path."""
    with own_state(f"clean end {os.getpid()}") as directory:
        yield directory


@pytest.mark.parametrize(
    "how", ["regular", "daemon", "everything", "forgotten", "booting", "preparing", "building"]
)
def test_lab_ended_leaves_nothing(how: str, state: Path, real_hosts: None) -> None:
    # `real_hosts` has built the layers: there is no network in the namespaces to build them.
    done = run_apart(SCRIPT, how, state=state, FETCH=FETCH)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("the lab has ended") == 2, done.stdout
    assert done.stdout.count("no lab was running") == 1
    before, after = (
        json.loads((state.parent / f"status-{when}").read_text()) for when in ("before", "after")
    )
    assert before[0]["state"].startswith("running" if how == "regular" else "killed;")
    assert LEFTOVERS.get(how, set()) <= {row["what"] for row in before}
    assert [row["state"] for row in after] == ["stopped"]
