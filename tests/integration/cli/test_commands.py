"""What the commands print, and how they exit, in front of a real API."""

from __future__ import annotations

import json
import threading

import pytest
import yaml

from cli import faults
from cli.names import reference
from controlplane.faults import NOT_FOUND
from hostwinds.journal.file import FileJournal
from tests.support.command_line import Terminal
from tests.support.faults import assert_shows


def test_apply_creates_then_configures_then_changes_nothing(plane, penguin, file, capsys):
    assert penguin("apply", "-f", str(file)) == 0
    assert penguin("apply", "-f", str(file)) == 0
    file.write_text(file.read_text().replace("addresses: 2", "addresses: 3"))
    assert penguin("apply", "-f", str(file)) == 0
    output = capsys.readouterr().out.splitlines()
    assert output == [
        "tenant/acme created",
        "tenant/acme unchanged, but not Ready; another reconcile pass is requested",
        "  no reconcile pass has run yet",
        "tenant/acme configured",
    ]


def test_apply_of_wrong_files_shows_all_violations_at_once(plane, penguin, file, capsys):
    wrong = file.with_name("wrong.yaml")
    wrong.write_text(file.read_text().replace("plan:", "plam:").replace("name: mx1", "name: MX_1"))
    missing = file.with_name("missing.yaml")
    assert penguin("apply", "-f", str(wrong), "-f", str(missing), "-f", str(file)) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert f"at: {wrong}:6:3 spec.plam\n  do: did you mean plan?" in output.err
    assert "spec.hosts[0].name" in output.err
    assert_shows(output.err, faults.UNREADABLE)
    assert f"  at: {missing}\n" in output.err


def test_apply_of_a_directory_with_one_tenant_twice_is_refused(plane, penguin, file, capsys):
    file.with_name("b.yaml").write_text(file.read_text())
    assert penguin("apply", "-f", str(file.parent)) == 1
    assert "error[file.repeated]: tenant acme is also in" in capsys.readouterr().err


def test_apply_refused_by_the_api_names_the_line_and_applies_other_files(
    plane, penguin, file, capsys
):
    assert penguin("apply", "-f", str(file)) == 0
    other_owner = file.with_name("other_owner.yaml")
    other_owner.write_text(file.read_text().replace("name: acme}", "name: other-owner}", 1))
    other = file.with_name("zoo.yaml")
    other.write_text(file.read_text().replace("acme", "zoo"))
    assert penguin("apply", "-f", str(other_owner), "-f", str(other)) == 1
    output = capsys.readouterr()
    assert "tenant/zoo created" in output.out
    assert (
        f"error[domain.taken]: domain acme.example cannot be used\n  at: {other_owner}:9:14 "
        in output.err
    )


def test_diff_shows_key_paths_resources_and_cost_and_exits_2(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    capsys.readouterr()
    assert penguin("diff", "-f", str(file)) == 0
    assert capsys.readouterr().out == "tenant/acme unchanged\n"
    file.write_text(file.read_text().replace("addresses: 2", "addresses: 3"))
    assert penguin("diff", "-f", str(file)) == 2
    output = capsys.readouterr().out
    assert "~ spec.hosts[mx1].addresses: 2 → 3\n" in output
    assert "+ address mx1-3: mx1-3.acme.example on mx1, egress\n" in output
    assert "+ record mx1-3/A: mx1-3.acme.example A (the IPv4 address of mx1-3)\n" in output
    assert "monthly cost: $43.98 → $48.97 (+$4.99)\n" in output
    assert penguin("diff", "-f", str(file), "-o", "json") == 2
    found = json.loads(capsys.readouterr().out)
    assert found[0]["monthly_cost_usd_cents"] == {"before": 4398, "after": 4897}


def test_labels_are_compared_applied_shown_and_selected_by(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    file.write_text(file.read_text().replace("name: acme}", "name: acme, labels: {team: mail}}", 1))
    capsys.readouterr()
    assert penguin("diff", "-f", str(file)) == 2
    assert "+ metadata.labels.team: mail\n" in capsys.readouterr().out
    assert penguin("apply", "-f", str(file)) == 0
    assert "tenant/acme configured" in capsys.readouterr().out
    assert penguin("describe", "tenant", "acme") == 0
    assert "Labels:      team=mail\n" in capsys.readouterr().out
    assert penguin("get", "tenants", "-l", "team=mail") == 0
    assert "acme" in capsys.readouterr().out
    assert penguin("get", "tenants", "-l", "team=web") == 0
    assert "acme" not in capsys.readouterr().out
    assert penguin("get", "hosts", "-l", "team=mail") == 1
    assert "error[usage]" in capsys.readouterr().err


def test_diff_of_a_new_tenant_shows_what_it_will_cost(plane, penguin, file, capsys):
    assert penguin("diff", "-f", str(file)) == 2
    output = capsys.readouterr().out
    assert output.startswith("tenant/acme is new\n  + host mx1: business in Seattle")
    assert "monthly cost: $0.00 → $43.98 (+$43.98)\n" in output


def test_get_lists_tenants_with_their_cost(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    capsys.readouterr()
    assert penguin("get", "tenants") == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["NAME", "READY", "REASON", "GENERATION", "AGE", "COST"]
    assert row.split()[:4] == ["acme", "Unknown", "NotYetReported", "1"]
    assert row.split()[-1] == "$43.98"


def test_describe_before_the_first_pass_shows_what_will_exist(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    assert penguin("describe", "tenant", "acme") == 0
    output = capsys.readouterr().out
    assert "none yet: no reconcile pass has run" in output
    assert "Records to set by hand" in output
    assert "acme-mail.example" in output
    assert "Monthly cost: $43.98" in output
    assert "mx1-2: IPv4 address              $4.99  (included in the plan)\n" in output
    assert max(len(line) for line in output.splitlines()) <= 80


def test_wait_shows_each_change_and_ends_with_the_condition(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    plane.set("DnsReady", "Unknown", "NotYetReported")

    def between_two_requests(_: float) -> None:
        plane.set("DnsReady", "True", "RecordsFound", "all 12")

    wanted = "--for=condition=DnsReady"
    assert penguin("wait", "tenant", "acme", wanted, sleep=between_two_requests) == 0
    *changes, end = capsys.readouterr().out.splitlines()
    assert changes[-1].partition(" s  ")[2] == "✓ DnsReady: all 12"
    assert end == "tenant/acme condition met: DnsReady"


def test_wait_with_conditions_of_an_older_generation_times_out(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    plane.set("Ready", "True", "Ready")
    plane.set("Stalled", "True", "CloudRefused")
    plane.run("update oltp.tenants set generation = generation + 1")
    assert penguin("wait", "tenant", "acme", "--for=condition=Ready", "--timeout=0.1s") == 1
    output = capsys.readouterr().err
    reason = "no reconcile pass of generation 2 yet; does a reconciler run?"
    assert_shows(output, faults.WAIT_TIMEOUT, seconds="0.1", reason=reason)


def test_wait_for_a_stalled_tenant_fails_at_once(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    plane.set("Stalled", "True", "CloudflareZoneMissing", "zone acme.example does not exist")
    assert penguin("wait", "tenant", "acme", "--for=condition=Ready") == 1
    reason = "CloudflareZoneMissing: zone acme.example does not exist"
    assert_shows(capsys.readouterr().err, faults.WAIT_STALLED, reason=reason)


def test_wait_where_hosts_cannot_run_fails_at_once(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    plane.set("Ready", "Unknown", "HostsUnavailable", "real hosts cannot run here")
    assert penguin("wait", "tenant", "acme", "--for=condition=Ready") == 1
    reason = "HostsUnavailable: real hosts cannot run here"
    assert_shows(capsys.readouterr().err, faults.WAIT_UNSUPPORTED, reason=reason)


def test_delete_asks_and_waits_until_the_tenant_is_gone(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    assert penguin("delete", "tenant", "acme") == 1
    assert_shows(capsys.readouterr().err, faults.UNCONFIRMED)
    gone = threading.Thread(target=plane.delete_when_asked)
    gone.start()
    assert penguin("delete", "tenant", "acme", "--yes", "--wait", "--timeout=20s") == 0
    gone.join()
    assert "tenant/acme deleted" in capsys.readouterr().out
    assert penguin("get", "tenant", "acme") == 1
    assert "error[resource.not_found]" in capsys.readouterr().err


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


def test_get_with_a_wrong_key_or_without_an_api_names_which(plane, penguin, monkeypatch, capsys):
    monkeypatch.setenv("PENGUIN_API_KEY", "pm_live_wrong")
    assert penguin("get", "tenants") == 1
    assert "error[auth.invalid]" in capsys.readouterr().err
    monkeypatch.setenv("PENGUIN_API_URL", "http://127.0.0.1:9")
    assert penguin("get", "tenants") == 1
    output = capsys.readouterr().err
    assert "error[api.unreachable]" in output
    assert "make up" in output


def test_diff_that_fails_exits_with_1_and_not_2(plane, penguin, file, monkeypatch):
    assert penguin("diff") == 1
    assert penguin("diff", "-f", str(file.with_name("missing.yaml"))) == 1
    monkeypatch.setenv("PENGUIN_API_URL", "http://127.0.0.1:9")
    assert penguin("diff", "-f", str(file)) == 1


READ = {"json": json.loads, "yaml": yaml.safe_load}


@pytest.mark.parametrize("format_", READ)
def test_results_of_commands_are_valid_json_and_yaml(plane, penguin, file, format_, capsys):
    def result_of(*arguments: str, code: int = 0) -> object:
        capsys.readouterr()
        assert penguin(*arguments, "-o", format_) == code
        return READ[format_](capsys.readouterr().out)

    assert result_of("events") == []
    assert result_of("get", "tenants") == []
    done = {"kind": "tenant", "name": "acme"}
    assert result_of("diff", "-f", str(file), code=2)
    assert result_of("apply", "-f", str(file)) == [done | {"outcome": "created"}]
    plane.set("DnsReady", "True", "RecordsFound")
    assert result_of("wait", "tenant", "acme", "--for=condition=DnsReady")["name"] == "acme"
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


def test_apply_and_wait_prints_one_document(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    plane.set("Ready", "True", "Ready")
    capsys.readouterr()
    assert penguin("apply", "-f", str(file), "--wait", "-o", "json") == 0
    assert [entry["outcome"] for entry in json.loads(capsys.readouterr().out)] == ["unchanged"]


def test_delete_answered_with_no_deletes_nothing(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    assert penguin("delete", "tenant", "acme", stdin=Terminal("n\n")) == 1
    output = capsys.readouterr().err
    assert "error[delete.unconfirmed]: nothing was deleted: the answer was no" in output
    assert penguin("get", "tenant", "acme") == 0


def test_wait_interrupted_exits_with_130(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))

    def pressed(_: float) -> None:
        raise KeyboardInterrupt

    assert penguin("wait", "tenant", "acme", "--for=condition=Ready", sleep=pressed) == 130
    assert capsys.readouterr().err.endswith("interrupted\n")


def test_render_prints_a_page_or_writes_a_file(plane, penguin, file, tmp_path, capsys):
    assert penguin("render", "-f", str(file), "-o", "table") == 0
    output = capsys.readouterr().out
    for part in ("Records in zones at Cloudflare", "Records to set by hand", "$43.98", "sha256:"):
        assert part in output
    target = tmp_path / "b.yaml"
    assert penguin("render", "-f", str(file), "--to", str(target), "-o", "yaml") == 0
    assert yaml.safe_load(target.read_text())["kind"] == "Blueprint"
    assert penguin("render", "-f", str(file), "--to", str(tmp_path / "no" / "x.json")) == 1
    assert "error[file.unwritable]" in capsys.readouterr().err


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


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("hosts", ["mx1"]),
        ("addresses", ["mx1-1", "mx1-2"]),
        ("domains", ["acme-mail.example", "acme.example"]),
        ("mailboxes", ["sales@acme.example"]),
    ],
)
def test_get_lists_the_parts_of_tenants_and_describes_each(
    plane, penguin, file, capsys, kind, names
):
    penguin("apply", "-f", str(file))
    capsys.readouterr()
    assert penguin("get", kind, "-t", "acme") == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split()[:2] for row in rows] == [["acme", name] for name in names]
    assert penguin("get", kind, names[0], "-o", "json") == 0
    one = json.loads(capsys.readouterr().out)
    assert (one["tenant"], one["name"]) == ("acme", names[0])
    assert penguin("describe", f"{kind}/{names[0]}") == 0
    assert f"{names[0]} of tenant acme" in capsys.readouterr().out
    assert penguin("get", kind, "nope") == 1
    singular = reference([kind]).kind.name
    output = capsys.readouterr().err
    assert_shows(output, NOT_FOUND, kind=singular, name="nope", plural=kind)


def test_describe_of_a_host_name_of_two_tenants_asks_for_the_tenant(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    other = file.with_name("zoo.yaml")
    other.write_text(file.read_text().replace("acme", "zoo"))
    penguin("apply", "-f", str(other))
    capsys.readouterr()
    assert penguin("describe", "host/mx1") == 1
    assert_shows(capsys.readouterr().err, faults.AMBIGUOUS)
    assert penguin("describe", "host/mx1", "--tenant", "zoo") == 0
    assert "mx1 of tenant zoo" in capsys.readouterr().out


def test_negative_conditions_are_shown_only_when_true_or_with_all(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    plane.set("Ready", "True", "Ready")
    plane.set("Drifted", "False", "AsApplied")
    plane.set("Stalled", "True", "NoCapacity", "no server is free")
    capsys.readouterr()
    assert penguin("describe", "tenant/acme") == 0
    output = capsys.readouterr().out
    assert "Drifted" not in output
    assert "! Stalled               NoCapacity: no server is free" in output
    assert "✓ Ready\n" in output
    assert penguin("describe", "tenant/acme", "--all") == 0
    assert "Drifted" in capsys.readouterr().out


def test_get_purchases_reads_the_local_journal(penguin, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOSTWINDS_JOURNAL", str(tmp_path / "journal.json"))
    FileJournal(tmp_path / "journal.json").open("1001/mx1-2")
    assert penguin("get", "purchases") == 0
    assert capsys.readouterr().out.splitlines()[1].split()[0] == "1001/mx1-2"
    assert penguin("describe", "purchase/1001/mx1-2") == 0
    assert "Outcome:     -" in capsys.readouterr().out


def test_get_with_watch_prints_rows_and_then_changes(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    capsys.readouterr()
    changes = iter(
        [lambda: plane.set("Ready", "True", "Ready"), lambda: plane.run("delete from oltp.tenants")]
    )

    def between_two_requests(_: float) -> None:
        try:
            next(changes)()
        except StopIteration:
            raise KeyboardInterrupt from None

    assert penguin("get", "tenants", "-w", sleep=between_two_requests) == 130
    header, before, after, gone = capsys.readouterr().out.splitlines()
    assert header.split()[:2] == ["NAME", "READY"]
    assert before.split()[:2] == ["acme", "Unknown"]
    assert after.split()[:2] == ["acme", "True"]
    assert gone == "tenant/acme is gone"


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


@pytest.mark.parametrize(
    "arguments",
    [
        ("stop", "tenant"),
        ("stop", "platform", "acme"),
        ("start", "all"),
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


def test_get_lists_stops_of_all_and_of_one_tenant(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    penguin("stop", "tenant", "acme", "--reason", "unpaid")
    penguin("stop", "platform", "--reason", "listed")
    capsys.readouterr()
    assert penguin("get", "stops") == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["TARGET", "TENANT", "REASON", "ACTOR", "SINCE"]
    assert [row.split()[:3] for row in rows] == [
        ["platform", "-", "listed"],
        ["tenant/acme", "acme", "unpaid"],
    ]
    assert penguin("get", "stops", "--tenant", "acme", "-o", "json") == 0
    assert {stop["scope"] for stop in json.loads(capsys.readouterr().out)} == {"tenant", "platform"}
    assert penguin("get", "stops", "--tenant", "nope") == 1
    assert "error[resource.not_found]" in capsys.readouterr().err
    assert penguin("get", "stop/platform") == 1
    assert "error[usage]: stops have no names" in capsys.readouterr().err


def test_address_once_provisioned_is_listed_and_described_with_its_number(
    plane, penguin, file, capsys
):
    penguin("apply", "-f", str(file))
    plane.set("InfrastructureReady", "True", "Provisioned", "198.51.100.7", "address/mx1-1")
    capsys.readouterr()
    assert penguin("get", "addresses") == 0
    _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split()[1:3] for row in rows] == [["mx1-1", "198.51.100.7"], ["mx1-2", "-"]]
    assert penguin("describe", "address/mx1-1") == 0
    assert "IPv4:        198.51.100.7\n" in capsys.readouterr().out


def test_describe_with_watch_shows_the_page_again_when_it_changes(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    capsys.readouterr()
    changes = iter([lambda: None, lambda: plane.set("Ready", "True", "Ready")])

    def between_two_requests(_: float) -> None:
        try:
            next(changes)()
        except StopIteration:
            raise KeyboardInterrupt from None

    assert penguin("describe", "tenant/acme", "-w", "-o", "json", sleep=between_two_requests) == 130
    before, after = map(json.loads, capsys.readouterr().out.splitlines())
    assert before["tenant"]["conditions"] == []
    assert [c["type"] for c in after["tenant"]["conditions"]] == ["Ready"]


def test_describe_with_watch_prints_the_time_above_each_page(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    capsys.readouterr()

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    assert penguin("describe", "host/mx1", "-w", sleep=interrupted) == 130
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("── 20")
    assert second.startswith("Host:        mx1 of tenant acme")


def test_apply_beyond_the_plan_names_the_line_of_the_file(plane, penguin, file, capsys):
    domains = "".join(f"    - {{name: d{n}.example}}\n" for n in range(6))
    text = file.read_text().replace("plan: business", "plan: starter")
    head = text.partition("  domains:")[0].replace("zone: acme.example", "zone: d0.example")
    file.write_text(f"{head}  domains:\n{domains}")
    assert penguin("apply", "-f", str(file)) == 1
    output = capsys.readouterr().err
    assert "error[tenant.plan_limit]" in output
    assert f"  at: {file}:9:3 spec.domains\n" in output


def test_get_as_json_prints_the_documents_of_the_api(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    mail = ("--from", "sales@acme.example", "--to", "bob@rcpt.example", "--subject", "Hi")
    penguin("send", "--tenant", "acme", *mail, "--text", "Hello")
    capsys.readouterr()
    assert penguin("get", "messages", "-o", "json") == 0
    [message] = json.loads(capsys.readouterr().out)
    assert (message["from"], message["state"]) == ("sales@acme.example", "queued")
    assert "age" not in message
