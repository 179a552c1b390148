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
        ("template .", "penguin render -f"),
        ("config use-context eu", "PENGUIN_API_URL"),
        ("get tenants -n acme", "--tenant NAME"),
        ("get tenants --namespace=acme", "--tenant NAME"),
        ("get hosts -A", "--tenant NAME"),
        ("get tenants --selector team=mail", "-l KEY=VALUE"),
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
