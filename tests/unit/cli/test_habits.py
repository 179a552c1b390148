"""What people type who know kubectl, Helm or Terraform is understood, or named in our words."""

from __future__ import annotations

import re

import pytest

from cli import habits
from cli.main import commands
from sandbox.reference.commands import command_line
from tests.support.command_line import run


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("create -f acme.yaml", "penguin apply -f"),
        ("replace --force -f acme.yaml", "penguin apply -f"),
        ("edit tenant/acme", "penguin get tenant/NAME -o yaml"),
        ("patch tenant acme -p {}", "penguin apply -f"),
        ("rollout status tenant/acme", "penguin wait NAME"),
        ("kustomize build .", "kustomize build DIRECTORY | penguin apply -f -"),
        ("plan", "penguin diff -f"),
        ("suppressions show bob@rcpt.example", "penguin suppressions --help"),
        ("template .", "penguin render -f"),
        ("config use-context eu", "PENGUIN_API_URL"),
        ("get tenants -n acme", "--tenant NAME"),
        ("get tenants --namespace=acme", "--tenant NAME"),
        ("get hosts -A", "--tenant NAME"),
        ("describe tenant/acme --selector team=mail", "--selector KEY=VALUE"),
        ("get tenants --sort-by=.name", "`jq`"),
        ("get tenants -o wide", "-o table"),
        ("get tenants -o name", "jq"),
        ("get tenants -ojsonpath={.items}", "`jq`"),
        ("get tenants -o custom-columns=A:.b", "`jq`"),
        ("get -f acme.yaml", "such as tenant/NAME"),
        ("delete -f acme.yaml", "such as tenant/NAME"),
        ("delete --all", "one resource at a time"),
        ("delete tenant acme --dry-run=client", "penguin diff -f"),
        ("delete tenant acme --grace-period=0", "leave it out"),
        ("apply -k .", "kustomize build"),
        ("apply acme.yaml", "name files by -f"),
        ("diff acme.yaml", "name files by -f"),
        ("apply -f acme.yaml --force", "leave it out"),
        ("apply -f acme.yaml --server-side", "leave it out"),
        ("apply -f acme.yaml --prune", "penguin delete"),
        ("apply -f acme.yaml --dry-run", "--dry-run=client or --dry-run=server"),
        ("apply -f acme.yaml --dry-run=client --wait", "leave out --wait"),
        ("diff -f acme.yaml --dry-run=server", "penguin apply --dry-run=server"),
        ("logs acme --tail 5", "penguin logs NAME | tail"),
        ("wait acme --watch", "penguin get KIND -w"),
        ("get tenants -o go-template-file=x", "`jq`"),
        ("get tenants -o jsonpath-as-json={}", "`jq`"),
        ("get tenants -o kyaml", "-o yaml"),
        ("apply -f a.yaml b.yaml", "by a -f of its own"),
        ("diff -f a.yaml b.yaml", "by a -f of its own"),
        ("diff -R -f .", "in depth"),
        ("delete acme --wait=true", "write --wait alone"),
        ("get tenants --watch=true", "write --watch alone"),
        ("apply -f acme.yaml --recursive=false", "write --recursive alone"),
        ("explain tenant.spec.hosts", "penguin schema tenant"),
        ("explain tenants", "penguin schema tenant"),
        ("rollback acme", "the earlier document"),
        ("--version", "penguin version"),
        ("-h", "--help"),
        ("apply -f acme.yaml -y", "does not ask"),
        ("logs acme --previous", "penguin logs ID"),
        ("get all", "use one of: tenants"),
        ("get tenants,hosts", "use one of: tenants"),
        ("wait acme --timeout 1m30s", "300s or 5m"),
        ("wait acme --timeout 010", "300s or 5m"),
        ("wait acme --timeout \u0665s", "300s or 5m"),
        ("wait acme --timeout -1", "300s or 5m"),
        ("send --priority 1_0", "did you mean 10?"),
        ("send --priority 010", "write 10, or 8"),
        ("send --priority +5", "did you mean 5?"),
        ("send --priority 0x10", "did you mean 16?"),
        ("send --priority \u0665", "in decimal digits"),
        ("send --priority 1.5", "a whole number"),
        ("send --priority true", "in decimal digits"),
        ("lab fault dns lag --seconds 1_0", "in decimal digits"),
        ("lab fault dns lag --times ten", "in decimal digits"),
        ("lab profile x --port 0o17", "did you mean 15?"),
        ("lab portal --server NaN", "in decimal digits"),
    ],
)
def test_command_line_of_another_tool_is_refused_with_ours(
    line: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*line.split()) == 1
    output = capsys.readouterr().err
    assert output.startswith("error[usage]: ")
    assert remedy in output.partition("  do: ")[2]


REMEDIES = sorted({*habits.COMMANDS.values(), *habits.OPTIONS.values(), *habits.FORMATS.values()})


@pytest.mark.parametrize("remedy", REMEDIES)
def test_named_command_and_its_options_exist(remedy: str) -> None:
    group = command_line()
    for name, rest in re.findall(r"`[^`]*penguin ([a-z]+)([^`]*)`", remedy):
        command = group.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert set(re.findall(r"(?<=\s)(--?[a-z][a-z-]*)", rest)) <= known


def test_nothing_is_named_that_exists() -> None:
    assert not habits.COMMANDS.keys() & commands().keys()
