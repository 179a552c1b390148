"""Output and effects of apply, diff and render, against a real API."""

from __future__ import annotations

import io
import json

import pytest
import yaml

from cli import faults
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
    refused = ("-f", str(other_owner), "-f", str(other))
    assert penguin("apply", *refused, "--dry-run=server") == 1
    output = capsys.readouterr()
    assert "tenant/zoo created, $" in output.out
    assert f"at: {other_owner}:9:14 " in output.err
    assert penguin("diff", *refused) == 1
    output = capsys.readouterr()
    assert "tenant/zoo is new" in output.out
    assert f"at: {other_owner}:9:14 " in output.err
    assert penguin("apply", *refused) == 1
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
    changes = json.loads(capsys.readouterr().out)
    assert changes[0]["monthly_cost_usd_cents"] == {"before": 4398, "after": 4897}


def test_diff_of_a_tenant_that_others_have_changed_says_what_and_exits_2(
    plane, penguin, file, capsys
):
    penguin("apply", "-f", str(file))
    plane.set("Drifted", "True", "ChangedOutside", "host/mx1: server 1001 is suspended")
    capsys.readouterr()
    assert penguin("diff", "-f", str(file)) == 2
    shown = capsys.readouterr().out
    assert shown.startswith("tenant/acme has drifted: host/mx1: server 1001 is suspended\n")
    assert penguin("diff", "-f", str(file), "-o", "json") == 2
    [difference] = json.loads(capsys.readouterr().out)
    assert difference["drift"] == "host/mx1: server 1001 is suspended"
    plane.set("Drifted", "False", "AsApplied")
    assert penguin("diff", "-f", str(file)) == 0


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


def test_diff_that_fails_exits_with_1_and_not_2(plane, penguin, file, monkeypatch):
    assert penguin("diff") == 1
    assert penguin("diff", "-f", str(file.with_name("missing.yaml"))) == 1
    monkeypatch.setenv("PENGUIN_API_URL", "http://127.0.0.1:9")
    assert penguin("diff", "-f", str(file)) == 1


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


def test_apply_beyond_the_plan_names_the_line_of_the_file(plane, penguin, file, capsys):
    domains = "".join(f"    - {{name: d{n}.example}}\n" for n in range(6))
    text = file.read_text().replace("plan: business", "plan: starter")
    head = text.partition("  domains:")[0].replace("zone: acme.example", "zone: d0.example")
    file.write_text(f"{head}  domains:\n{domains}")
    assert penguin("apply", "-f", str(file)) == 1
    output = capsys.readouterr().err
    assert "error[tenant.plan_limit]" in output
    assert f"  at: {file}:9:3 spec.domains\n" in output


@pytest.mark.parametrize("format_", ["yaml", "json"])
@pytest.mark.parametrize(
    "words", [("get", "tenant/acme"), ("get", "tenants"), ("describe", "tenant/acme")]
)
def test_apply_reads_what_get_and_describe_print(plane, penguin, file, capsys, format_, words):
    other = file.with_name("other.yaml")
    labels = "labels: {a: '010', b: 'yes', c: '2026-01-01', d: '1e3', e: 'null', f: '8', g: ''}"
    text = (
        file.read_text()
        .replace("acme", "other")
        .replace("{name: other}", f"{{name: other, {labels}}}")
    )
    other.write_text(text)
    assert penguin("apply", "-f", str(file.parent)) == 0
    capsys.readouterr()
    assert penguin(*words, "-o", format_) == 0
    printed = io.BytesIO(capsys.readouterr().out.encode())
    assert penguin("apply", "-f", "-", stdin=io.TextIOWrapper(printed), sleep=None) == 0
    names = ["acme"] if "tenant/acme" in words else ["acme", "other"]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("tenant/")]
    assert [line.partition(",")[0] for line in lines] == [f"tenant/{n} unchanged" for n in names]


def test_apply_reads_a_page_of_the_api_and_a_list_of_kubectl(plane, penguin, file, capsys):
    document = yaml.safe_load(file.read_text())
    for kind in ({"apiVersion": "v1", "kind": "List"}, {"next": None}):
        file.write_text(json.dumps({**kind, "items": [document]}, indent="\t"))
        assert penguin("apply", "-f", str(file)) == 0
        document["spec"]["hosts"][0]["addresses"] = "8"
        file.write_text(json.dumps({**kind, "items": [document]}))
        assert penguin("apply", "-f", str(file)) == 1
        document["spec"]["hosts"][0]["addresses"] = 2
        assert "spec.hosts[0].addresses" in capsys.readouterr().err


def test_dry_run_stores_nothing_and_tells_what_would_happen(plane, penguin, file, capsys):
    cost = "$43.98 a month (server dry run)"
    assert penguin("apply", "-f", str(file), "--dry-run=server") == 0
    assert capsys.readouterr().out == f"tenant/acme created, {cost}\n"
    assert penguin("get", "tenant/acme") == 1
    assert penguin("apply", "-f", str(file), "-R", "--dry-run=none") == 0
    capsys.readouterr()
    assert penguin("apply", "-f", str(file), "--dry-run=server") == 0
    assert capsys.readouterr().out == f"tenant/acme unchanged, {cost}\n"
    file.write_text(file.read_text().replace("acme-mail.example", "mail.example"))
    assert penguin("apply", "-f", str(file), "--dry-run", "server", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)[0]["outcome"] == "configured"
    assert penguin("diff", "-f", str(file)) == 2
    file.write_text(file.read_text().replace("business", "starter").replace("mail.e", "d.e"))
    domains = "".join(f", {{name: d{n}.example}}" for n in range(6))
    file.write_text(
        file.read_text().replace("{name: acme.example}", "{name: acme.example}" + domains)
    )
    assert penguin("apply", "-f", str(file), "--dry-run=client") == 0
    assert "valid, $" in capsys.readouterr().out
    assert penguin("apply", "-f", str(file), "--dry-run=server") == 1
    assert f"at: {file}:9:3 spec.domains" in capsys.readouterr().err
