"""Output and exit codes of the other commands, against a real API."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from cli import faults
from tests.support.faults import assert_shows

READ: dict[str, Callable[[str], Any]] = {"json": json.loads, "yaml": yaml.safe_load}


def test_logs_and_events_show_operations_and_changes(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    assert penguin("logs", "acme") == 1
    assert_shows(capsys.readouterr().err, faults.NO_OPERATION)
    plane.run(
        "insert into oltp.operations (id, tenant_id, tenant, kind, phase, generation, process, "
        "host, progress, started_at, heartbeat_at, finished_at, outcome, error_code, "
        "error_message, remedy) select '019e0000-0000-7000-8000-000000000001', id, name, "
        "'converge', 'cloud', 1, 7, 'here', '+ mx1', now(), now(), now(), 'failed', "
        "'hostwinds.refused', 'no money', 'pay' from oltp.tenants"
    )
    plane.run(
        "insert into oltp.operation_lines (operation_id, tenant_id, at, line) "
        "select id, tenant_id, now(), '+ mx1' from oltp.operations"
    )
    assert penguin("logs", "acme", "-f") == 0
    output = capsys.readouterr().out
    assert "+ mx1" in output
    assert "hostwinds.refused: no money\n  do: pay" in output
    assert penguin("events", "--tenant", "acme") == 0
    assert "Created: generation 1" in capsys.readouterr().out


@pytest.mark.parametrize("format_", READ)
def test_results_of_commands_are_valid_json_and_yaml(plane, penguin, file, format_, capsys):
    def result_of(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        assert penguin(*arguments, "-o", format_) == code
        return READ[format_](capsys.readouterr().out)

    assert result_of("events") == []
    assert result_of("get", "tenants") == []
    done = {"kind": "tenant", "name": "acme"}
    assert result_of("diff", "-f", str(file), code=2)
    assert result_of("apply", "-f", str(file)) == [done | {"outcome": "created"}]
    plane.set("DnsReady", "True", "RecordsFound")
    assert result_of("wait", "tenant", "acme", "--for=condition=dnsready=true")["name"] == "acme"
    assert result_of("get", "tenants")[0]["name"] == "acme"
    assert result_of("describe", "tenant", "acme")["tenant"]["name"] == "acme"
    assert result_of("render", "-f", str(file))["tenant"] == "acme"
    assert result_of("events")[0]["reason"] == "Created"
    plane.run(
        "insert into oltp.operations (id, tenant_id, tenant, kind, phase, generation, process, "
        "host, progress, started_at, heartbeat_at, finished_at, outcome) select "
        "'019e0000-0000-7000-8000-000000000001', id, name, 'converge', 'cloud', 1, 7, 'here', "
        "'', now(), now(), now(), 'succeeded' from oltp.tenants"
    )
    assert result_of("logs", "acme")["operation"]["phase"] == "cloud"
    assert result_of("delete", "tenant", "acme", "--yes") == done | {"outcome": "deleting"}
    plane.run("delete from oltp.tenants where deleting")
    assert result_of("wait", "tenant", "acme", "--for=delete") == done | {"outcome": "deleted"}


def test_invalid_settings_are_named_without_their_values(plane, penguin, file, tmp_path, capsys):
    assert penguin("init", "--platform-zone", "Not A Zone") == 1
    assert "error[usage]: Not A Zone cannot be the platform's zone" in capsys.readouterr().err
    assert penguin("init") == 0
    settings = tmp_path / "state" / "settings.env"
    settings.write_text(settings.read_text() + 'PENGUIN_API__PORT="hunter2"\n')
    assert penguin("db", "upgrade") == 1
    output = capsys.readouterr().err
    assert "error[settings.invalid]: PENGUIN_API__PORT" in output
    assert f"at: {settings}" in output
    assert "hunter2" not in output
    settings.write_text('PENGUIN_PLATFORM__ZONE="Not A Zone"\n')
    assert penguin("apply", "-f", str(file)) == 1
    output = capsys.readouterr().err
    assert "error[settings.invalid]: " in output
    assert "PENGUIN_PLATFORM__ZONE" in output


def test_pause_is_shown_by_describe_until_resume(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    assert penguin("pause", "acme", "--reason", "provider moves") == 0
    assert "tenant/acme paused\n" in capsys.readouterr().out
    assert penguin("describe", "tenant", "acme") == 0
    assert "Paused:      provider moves (by key pm_live_" in capsys.readouterr().out
    assert penguin("resume", "acme", "--reason", "moved") == 0
    assert penguin("describe", "tenant", "acme") == 0
    output = capsys.readouterr().out
    assert "Paused: " not in output.partition("Events")[0]
    assert "tenant pause Resumed: moved" in output


def test_pause_without_a_reason_is_a_usage_error(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    assert penguin("pause", "acme") == 1
    assert "--reason" in capsys.readouterr().err


def test_every_command_takes_a_tenant_in_every_form(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    plane.set("Ready", "True", "Ready")
    for command in ("wait", "events", "logs", "pause --reason=x", "resume --reason=x"):
        words = command.split()
        for form in (["acme"], ["tenant/acme"], ["tenant", "acme"]):
            capsys.readouterr()
            penguin(*words, *form)
            assert "error[usage]" not in capsys.readouterr().err
            penguin(words[0], *words[1:], *(["tenant/nope"]))
            assert "error[resource.not_found]" in capsys.readouterr().err
    for command in ("events", "logs"):
        penguin(command, "--tenant", "nope")
        assert "error[resource.not_found]" in capsys.readouterr().err


def test_version_and_completion_need_no_control_plane(penguin, monkeypatch, capsys):
    monkeypatch.setenv("PENGUIN_API_URL", "http://127.0.0.1:9")
    assert penguin("version", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["version"]
    assert penguin("completion", "bash") == 0
    assert "_PENGUIN_COMPLETE=complete_bash" in capsys.readouterr().out


def test_stops_are_shown_by_describe_and_explain_until_started(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    mail = ("--from", "sales@acme.example", "--to", "bob@rcpt.example", "--subject", "Hi")
    assert penguin("send", "--tenant", "acme", *mail, "--text", "Hello") == 0
    id_ = capsys.readouterr().out.split()[-2]
    assert penguin("stop", "platform", "--reason", "listed") == 0
    assert penguin("stop", "domain", "ACME.example", "--reason", "complaints") == 0
    assert penguin("stop", "address", "mx1-2", "--tenant", "acme", "--reason", "new") == 0
    output = capsys.readouterr().out.splitlines()
    assert output == ["platform stopped", "domain/ACME.example stopped", "address/mx1-2 stopped"]
    assert penguin("describe", "tenant", "acme") == 0
    head = " ".join(capsys.readouterr().out.partition("Conditions")[0].split())
    assert "Mail stops: address/mx1-2: new (by key pm_live_" in head
    assert "domain/acme.example: complaints (by key pm_live_" in head
    assert "platform: listed (by key pm_live_" in head
    assert penguin("explain", id_) == 0
    output = capsys.readouterr().out
    assert "Mail stop:   platform: listed (by key pm_live_" in output
    assert "Mail stop:   domain/acme.example: complaints (by key pm_live_" in output
    assert penguin("start", "domain", "acme.example", "--reason", "resolved") == 0
    output = capsys.readouterr().out
    assert "domain/acme.example started\nstill stopped: platform: listed (by key" in output
    assert penguin("start", "platform", "--reason", "delisted") == 0
    assert penguin("start", "platform", "--reason", "delisted") == 0
    output = capsys.readouterr().out.splitlines()
    assert output == ["platform started", "platform unchanged: it was not stopped"]
    assert penguin("explain", id_) == 0
    assert "Mail stop" not in capsys.readouterr().out
    for target in (("mailbox", "sales@acme.example"), ("queue/normal",), ("campaign", "autumn")):
        assert penguin("stop", *target, "--tenant", "acme", "--reason", "review") == 0
    capsys.readouterr()
    assert penguin("explain", id_) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if "Mail stop" in line]
    assert [line.split()[2] for line in shown] == ["queue/normal:", "mailbox/sales@acme.example:"]
    assert penguin("start", "campaign/Autumn", "--tenant", "acme", "--reason", "done") == 0
    assert capsys.readouterr().out.startswith("campaign/Autumn started\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("stop", "tenant"),
        ("stop", "platform", "acme"),
        ("start", "all"),
        ("stop", "queue"),
        ("stop", "campaign/", "--reason", "x"),
        ("stop", "host/mx1"),
    ],
)
def test_stop_of_no_single_target_is_a_usage_error(plane, penguin, arguments, capsys):
    assert penguin(*arguments, "--reason", "x") == 1
    assert "error[usage]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("penguin get ho", ["hosts"]),
        ("penguin get host/", ["host/mx1"]),
        ("penguin get host ''", ["mx1"]),
        ("penguin describe add", ["address/"]),
        ("penguin describe mailbox/sa", ["mailbox/sales@acme.example"]),
        ("penguin logs a", ["acme"]),
        ("penguin wait tenant/", ["tenant/acme"]),
        ("penguin events --tenant a", ["acme"]),
        ("penguin describe server/", []),
        ("penguin stop domain/acme.", ["domain/acme.example"]),
        ("penguin start address ''", ["mx1-1", "mx1-2"]),
    ],
)
def test_shell_completes_kinds_and_names(
    plane, penguin, file, monkeypatch, capsys, typed, completed
):
    penguin("apply", "-f", str(file))
    capsys.readouterr()
    monkeypatch.setenv("_PENGUIN_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    penguin()
    assert capsys.readouterr().out.split() == completed


def test_shell_without_a_control_plane_completes_nothing(penguin, monkeypatch, capsys):
    monkeypatch.setenv("PENGUIN_API_KEY", "key")
    monkeypatch.setenv("PENGUIN_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("_PENGUIN_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "penguin logs a")
    monkeypatch.setenv("COMP_CWORD", "2")
    penguin()
    output = capsys.readouterr()
    assert (output.out.split(), output.err) == ([], "")
