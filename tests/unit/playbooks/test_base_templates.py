"""Templates of the role `base`: firewall, clock, resolver, swap, journal, upgrades."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from blueprint.document import Blueprint

Render = Callable[..., str]
MKSWAP = shutil.which("mkswap", path="/usr/sbin:/sbin:/usr/bin:/bin")


def chain(rules: str, name: str) -> list[str]:
    """Return the rules of a chain, without comments."""
    found = re.search(rf"chain {name} \{{(.*?)\n  \}}", rules, re.DOTALL)
    assert found
    lines = (line.strip() for line in found.group(1).splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def test_firewall_admits_only_the_sender_on_587(render: Render, blueprint: Blueprint) -> None:
    rules = render(blueprint, "base", "firewall.nft.j2", base_sender_sources=["198.18.0.1/32"])

    assert "policy drop" in rules
    assert "elements = { 198.18.0.1/32 }" in rules
    assert "ip daddr 198.18.1.10 tcp dport 25 accept" in rules
    assert "ip daddr @egress ip saddr @senders tcp dport 587 accept" in rules
    assert "tcp dport { 25, 587 } counter reject with tcp reset" in rules


def test_providers_firewall_is_asked_for_every_port_that_the_host_opens(
    render: Render, blueprint: Blueprint
) -> None:
    rules = render(blueprint, "base", "firewall.nft.j2", base_sender_sources=["198.18.0.1/32"])

    opened = {f"{port}/tcp" for port in re.findall(r"tcp dport (\d+) accept", rules)}
    assert opened == set(blueprint.hosts[0].firewall.inbound)


def test_firewall_without_a_sender_admits_no_one_on_587(
    render: Render, blueprint: Blueprint
) -> None:
    rules = render(blueprint, "base", "firewall.nft.j2", base_sender_sources=[])

    assert re.search(r"set senders \{[^}]*\}", rules)
    assert "elements" not in re.search(r"set senders \{[^}]*\}", rules).group()  # type: ignore[union-attr]


def test_mail_leaves_by_postfix_and_named_containers_only(
    render: Render, blueprint: Blueprint
) -> None:
    rules = render(blueprint, "base", "firewall.nft.j2", base_mail_subnets=["192.168.203.0/24"])

    assert chain(rules, "output") == [
        "type filter hook output priority filter; policy accept;",
        'oifname "lo" accept',
        "meta nfproto ipv6 meta l4proto ipv6-icmp drop",
        "meta nfproto ipv6 counter reject",
        "tcp dport 25 meta skuid != postfix counter reject with tcp reset",
    ]
    assert chain(rules, "forward")[1:] == [
        "meta nfproto ipv6 counter drop",
        "ct status dnat accept",
        "ip saddr != @mail_subnets tcp dport 25 counter reject with tcp reset",
    ]
    assert re.search(r"set mail_subnets \{[^}]*elements = \{ 192.168.203.0/24 \}", rules)
    nothing = render(blueprint, "base", "firewall.nft.j2")
    assert re.search(r"set mail_subnets \{[^}]*auto-merge\s*\}", nothing)


def test_nothing_comes_in_by_ipv6_but_loopback(render: Render, blueprint: Blueprint) -> None:
    rules = chain(render(blueprint, "base", "firewall.nft.j2"), "input")
    assert rules[1:3] == ['iifname "lo" accept', "meta nfproto ipv6 counter drop"]


def test_clock_follows_the_servers_of_the_setting(render: Render, blueprint: Blueprint) -> None:
    servers = ["ntp1.example", "ntp2.example", "192.0.2.123"]
    three = render(blueprint, "base", "chrony.conf.j2", base_time_servers=servers).splitlines()
    one = render(blueprint, "base", "chrony.conf.j2", base_time_servers=servers[:1]).splitlines()

    assert [line for line in three if line.startswith("server ")] == [
        f"server {server} iburst" for server in servers
    ]
    assert "minsources 2" in three
    assert "minsources 1" in one
    assert {"port 0", "cmdport 0", "makestep 1 -1"} <= set(three)


def test_resolver_validates_by_the_anchor_of_the_setting(
    render: Render, blueprint: Blueprint
) -> None:
    usual = render(blueprint, "base", "unbound.conf.j2")
    anchor = ". IN DS 1 13 2 00"
    own = render(
        blueprint,
        "base",
        "unbound.conf.j2",
        base_resolver_trust_anchor=anchor,
        base_resolver_forwarders=["192.0.2.53"],
        base_time_servers=["ntp1.example", "192.0.2.123"],
    )

    assert 'auto-trust-anchor-file: "/var/lib/unbound/root.key"' in usual
    assert "forward" not in usual
    assert f'trust-anchor: "{anchor}"' in own
    assert "auto-trust-anchor-file" not in own
    assert "forward-addr: 192.0.2.53" in own
    assert re.findall(r"domain-insecure: (.*)", own) == ['"ntp1.example"']
    for text in (usual, own):
        assert "interface: 127.0.0.1" in text
        assert 'module-config: "validator iterator"' in text


def test_journal_has_a_part_of_the_disk_and_drops_no_lines_of_mail(
    render: Render, blueprint: Blueprint
) -> None:
    journal = render(blueprint, "base", "journald.conf.j2").splitlines()
    assert "SystemMaxUse=1000M" in journal
    assert "RateLimitBurst=200000" in journal


def test_upgrades_are_those_of_the_named_origins_and_restart_nothing(
    render: Render, blueprint: Blueprint, tmp_path: Path
) -> None:
    file = tmp_path / "upgrades"
    before = 'Unattended-Upgrade::Origins-Pattern { "origin=Other"; };\n'
    file.write_text(before + render(blueprint, "base", "upgrades.conf.j2"))
    done = subprocess.run(
        ["apt-config", "dump", "--no-empty", "Unattended-Upgrade", "Dpkg::Options"],
        env={"APT_CONFIG": str(file), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    origins = re.findall(r'Origins-Pattern:: "(.*)";', done)

    assert origins == [
        "origin=Debian,codename=${distro_codename},label=Debian",
        "origin=Debian,codename=${distro_codename},label=Debian-Security",
        "origin=Debian,codename=${distro_codename}-security,label=Debian-Security",
    ]
    assert 'Automatic-Reboot "false"' in done


@pytest.mark.skipif(MKSWAP is None, reason="mkswap is not installed")
def test_swap_file_is_made_once_and_again_where_its_size_differs(
    render: Render, blueprint: Blueprint, tmp_path: Path
) -> None:
    swap = tmp_path / "swapfile"
    (tmp_path / "swapfile.new").write_text("half of one that was interrupted")

    def start(megabytes: int) -> int:
        script = tmp_path / "script"
        script.write_text(render(blueprint, "base", "swapfile.sh.j2", base_swap_mb=megabytes))
        command = ["sh", str(script), str(swap)]
        subprocess.run(command, env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}, check=True)
        assert swap.stat().st_mode & 0o777 == 0o600
        assert swap.stat().st_size == megabytes << 20
        assert swap.read_bytes()[4086:4096] == b"SWAPSPACE2"
        assert not (tmp_path / "swapfile.new").exists()
        return swap.stat().st_ino

    first = start(1)
    assert start(1) == first
    assert start(2) != first


def test_swap_is_skipped_in_containers_by_systemd(render: Render, blueprint: Blueprint) -> None:
    unit = render(blueprint, "base", "penguin-swap.service.j2")
    assert "ConditionVirtualization=!container" in unit.splitlines()


def test_clock_is_measured_before_any_change(playbooks: Path) -> None:
    tasks: list[dict[str, Any]] = yaml.safe_load(
        (playbooks / "roles/base/tasks/main.yml").read_text()
    )
    reads = {"ansible.builtin.raw", "ansible.builtin.assert"}
    first = next(task for task in tasks if not reads & set(task))
    assert "measured_clock" in first
