"""How YAML and JSON are read: words as JSON has them, everything else by name."""

from __future__ import annotations

import json

import pytest

from blueprint.loading import load
from blueprint.tenant import Tenant
from kit.faults import Fault, Violation
from tests.support.installation import PLATFORM

FILE = """\
apiVersion: penguinmails.dev/v1
kind: Tenant
metadata:
  name: acme
  labels: {team: mail}
spec:
  plan: enterprise
  region: us-west
  hosts:
    - name: mx1
      addresses: 3
  domains: [{name: acme.example}]
"""


def read(text: str) -> Tenant:
    (source,) = load(text, file="acme.yaml", platform=PLATFORM)
    return source.tenant


def mistake_of(text: str) -> Violation:
    with pytest.raises(Fault) as caught:
        load(text, file="acme.yaml", platform=PLATFORM)
    (mistake,) = caught.value.violations
    assert mistake.line
    return mistake


@pytest.mark.parametrize(
    ("written", "remedy", "meant"),
    [
        ("010", "write 10, or 8 where an octal number is meant", None),
        ("0o10", "in decimal digits", "8"),
        ("0x10", "in decimal digits", "16"),
        ("1_0", "in decimal digits", "10"),
        ("+5", "in decimal digits", "5"),
        ("'8'", "without quotes", "8"),
        ('"8"', "without quotes", "8"),
        (".5", "in decimal digits", None),
        ("5.", "in decimal digits", None),
        ("1:30", "in decimal digits", None),
        ("12:30:45", "in decimal digits", None),
        ("2026-01-01", "in decimal digits", None),
        ("yes", "in decimal digits", None),
        ("on", "in decimal digits", None),
        ("true", "it should be a whole number", None),
        ("True", "in decimal digits", None),
        (".nan", "in decimal digits", None),
        (".inf", "in decimal digits", None),
        ("NaN", "in decimal digits", None),
        ("=", "in decimal digits", None),
        ("1.5", "it should be a whole number", None),
        ("1e400", "32 or less", None),
        ("9" * 19, "32 or less", None),
        ("9" * 5000, "32 or less", None),
        ("-1e400", "1 or more", None),
        ("5\uff15", "in decimal digits", None),
        ("-1", "1 or more", None),
        ("0x" + "f" * 5000, "in decimal digits", None),
        ("[8]", "it should be a whole number", None),
        ("{a: 8}", "it should be a whole number", None),
    ],
)
def test_word_that_is_no_number_in_json_is_refused_where_one_is_wanted(
    written: str, remedy: str, meant: str | None
) -> None:
    mistake = mistake_of(FILE.replace("addresses: 3", f"addresses: {written}"))
    assert (mistake.code.name, mistake.line) == ("document.invalid_value", 11)
    assert mistake.path == "spec.hosts[0].addresses"
    assert remedy in mistake.remedy
    assert mistake.suggestion == meant
    if len(written) < 20 and written[0] not in "[{":
        assert written.replace("'", '"') in mistake.message  # as it was written


@pytest.mark.parametrize("written", ["8", "8.0", "8e0", "80e-1", "!!int 8", "&eight 8"])
def test_whole_number_of_json_is_read_in_any_notation(written: str) -> None:
    tenant = read(FILE.replace("addresses: 3", f"addresses: {written}"))
    assert tenant.spec.hosts[0].addresses == 8


@pytest.mark.parametrize(
    "word",
    [
        *("010", "0o10", "0x10", "1_000", "1e3", "8", "1.10", "1.0", "0"),
        *("yes", "No", "on", "OFF", "y", "n", "true", "True", "FALSE"),
        *("2026-01-01", "2026-01-01T00.00", "NaN", "x.inf", "1" * 60),
    ],
)
def test_plain_word_is_the_text_that_stands_there_where_a_text_is_wanted(word: str) -> None:
    tenant = read(FILE.replace("team: mail", f"team: {word}, {word}: x"))
    assert tenant.metadata.labels == {"team": word, word: "x"}


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("name: acme\n", "name: 123\n", "document.invalid_value"),
        ("region: us-west", "region: 010", "document.invalid_value"),
        ("plan: enterprise", "plan: yes", "document.invalid_value"),
        ("plan: enterprise", "plan: 5", "document.invalid_value"),
        ("kind: Tenant", "kind: true", "document.invalid_value"),
        ("region: us-west", "region:", "document.no_value"),
        ("region: us-west", "region: ~", "document.no_value"),
        ("region: us-west", "region: Null", "document.no_value"),
        ("    - name: mx1", "    -\n    - name: mx1", "document.no_value"),
        (
            "[{name: acme.example}]",
            "[{name: acme.example}, ]\n  mailboxes: [~]",
            "document.no_value",
        ),
        ("  plan: enterprise\n  region: us-west", "  plan: enterprise", "document.missing_key"),
        ("{team: mail}", "{team: null}", "document.no_value"),
        ("{team: mail}", "{team: }", "document.no_value"),
        ("{team: mail}", "{}\n  labels: {}", "document.duplicate_key"),
        ("{team: mail}", "{a: x, a: y}", "document.duplicate_key"),
        ("{team: mail}", "{<<: {a: b}}", "document.unsupported"),
        ("{team: mail}", "{[a]: b}", "document.unsupported"),
        ("{team: mail}", "{? {a: b} : c}", "document.unsupported"),
        ("{team: mail}", "!!omap [a: b]", "document.unsupported"),
        ("{team: mail}", "!!set {}", "document.unsupported"),
        ("{team: mail}", "!!python/object:os.system {}", "document.unsupported"),
        ("{team: mail}", "\n    team: !!python/name:os.system", "document.unsupported"),
        ("team: mail", "team: !ours x", "document.unsupported"),
        ("team: mail", "team: !!binary aGk=", "document.unsupported"),
        ("team: mail", "team: !!timestamp 2026-01-01", "document.unsupported"),
        ("team: mail", "team: !!bool yes", "document.unsupported"),
        ("team: mail", "team: !!int 0x10", "document.unsupported"),
        ("team: mail", "team: !!int ''", "document.unsupported"),
        ("team: mail", "team: !!float .inf", "document.unsupported"),
        ("team: mail", "team: !!null x", "document.unsupported"),
        ("team: mail", "team: !!map x", "document.unsupported"),
        ("team: mail", "!ours team: mail", "document.unsupported"),
        ("team: mail", "!!binary team: mail", "document.unsupported"),
        ("team: mail", "~: mail", "document.invalid_value"),
        ("spec:", "sops: {version: 3.9}\nspec:", "document.unsupported"),
        ("plan:", "plan: enterprise\n  plan\u00a0:", "document.unknown_key"),
    ],
)
def test_construct_that_is_not_read_is_refused_by_name_once(old: str, new: str, code: str) -> None:
    assert old in FILE
    mistake = mistake_of(FILE.replace(old, new, 1))
    assert mistake.code.name == code
    assert mistake.remedy


@pytest.mark.parametrize("nothing", ["", "null", "~", "[]"])
def test_key_with_nothing_below_it_is_as_good_as_left_out(nothing: str) -> None:
    tenant = read(f"{FILE}  mailboxes: {nothing}\n")
    assert tenant == read(FILE)
    text = FILE.replace("    - name: mx1", f"    - name: mx1\n      zone: {nothing.strip('[]')}")
    assert read(text.replace("labels: {team: mail}", "labels:")).spec == tenant.spec


@pytest.mark.parametrize(
    ("text", "line", "reason", "remedy"),
    [
        (FILE.replace("  plan:", "\tplan:"), 7, "tab", "spaces"),
        (FILE.replace("  plan: enterprise", "  plan: a: b"), 7, "second key", "in quotes"),
        (FILE.replace("  plan:", "   plan:"), 8, "indented differently", "alike"),
        (FILE.replace("[{name: acme.example}]", "[{name: acme.example}"), 13, "bracket", "close"),
        (FILE.replace("us-west", "'us-west"), 13, "no end", "closing quote"),
        (FILE.replace("us-west", "@us"), 8, "cannot begin with @", "in quotes"),
        (FILE.replace("us-west", "`us"), 8, "cannot begin with `", "in quotes"),
        (FILE.replace("us-west", '"\\q"'), 8, "escape sequence", "write \\\\"),
        (FILE.replace("us-west", "*.example"), 8, "name of an alias", "in quotes"),
        (FILE.replace("us-west", "& co"), 8, "name of an anchor", "in quotes"),
        (FILE.replace("us-west", "!a!b c"), 8, "a tag is not complete", "in quotes"),
        (FILE.replace("us-west", "!<x y"), 8, "a tag is not complete", "in quotes"),
        (FILE.replace("us-west", "'it's'"), 8, "continues after its closing quote", "all of it"),
        (FILE.replace("us-west", "| west"), 8, "block text", "alone in its line"),
        (FILE.replace("us-west", "|0"), 8, "block text", "alone in its line"),
        (FILE.replace("plan: ", "plan:\u00a0"), 7, "no-break space", "write a space"),
        (FILE.replace("  plan", "\u00a0\u00a0plan"), 7, "no-break space", "write a space"),
        ('{\n  // ours\n  "kind": "Tenant"}', 2, "comment of JavaScript", "with #"),
        (FILE.replace("us-west", "*x"), 8, "alias *x has no anchor", "define &x first"),
        (FILE.replace("us-west", "&a us-west").replace("mx1", "&a mx1"), 10, "&a", "rename"),
        (f"{FILE}x\n", 14, "no colon", "key: value"),
        (f"{FILE}# x\u0085y\n", 13, "U+0085", "remove it"),
        (f"{FILE}# x\u2028  plan: starter\n", 13, "U+2028", "remove it"),
        (f"{FILE}\0", 13, "U+0000", "remove it"),
        (f"%YAML 2.0\n---\n{FILE}", 1, "directive", "`---`"),
        (f"x: {'[' * 40}{']' * 40}\n", 1, "nested too deeply", "32 levels"),
        ("[" * 5000, 1, "nested too deeply", "32 levels"),
        ("a: &x [*x]\n", 1, "nested too deeply", "32 levels"),
        ("a: b\n" * 300_000, 1, "larger than", "divide it"),
    ],
)
def test_text_that_is_not_read_is_refused_by_the_name_of_the_construct(
    text: str, line: int, reason: str, remedy: str
) -> None:
    mistake = mistake_of(text)
    assert mistake.code.name in ("document.syntax", "document.unsupported")
    assert reason in mistake.message
    assert remedy in mistake.remedy
    assert mistake.line == line


@pytest.mark.timeout(120)
def test_nested_aliases_are_limited() -> None:
    rows = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]" for n in range(1, 20))]
    mistake = mistake_of("\n".join(rows))
    assert mistake.code.name == "document.syntax"
    assert "aliases" in mistake.message


BODY = {
    "apiVersion": "penguinmails.dev/v1",
    "kind": "Tenant",
    "metadata": {"name": "acme", "labels": {"team": "mail"}},
    "spec": {
        "plan": "enterprise",
        "region": "us-west",
        "hosts": [{"name": "mx1", "addresses": 3}],
        "domains": [{"name": "acme.example"}],
    },
}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(BODY),
        json.dumps(BODY, indent="\t"),
        json.dumps(BODY, indent=2).replace("\n", "\r\n"),
        json.dumps(BODY).replace('"kind":', '"kind"\n\t:\n').replace("/v1", "\\/v1"),
        f"\ufeff{json.dumps(BODY)}",
        f"\ufeff{FILE}",
        f"---\n{FILE}...\n",
        f"\ufeff---\n---\n{FILE}---\n# nothing\n",
        f"# of another file\n\ufeff{FILE}",
        f"%YAML 1.2\n---\n{FILE}",
        f"%YAML 1.1\n---\n{FILE}",
        FILE.replace("\n", "\r\n"),
        FILE.replace("\n", "\r"),
        FILE.replace("us-west", "!!str us-west"),
        FILE.replace("us-west", "! us-west"),
        FILE.replace("us-west", "|-\n    us-west"),
        FILE.replace("us-west", ">-\n    us-west"),
        FILE.replace("us-west", '"us-\\x77est"'),
        FILE.replace("team: mail", "team: &t mail").replace("acme.example", "acme.example"),
        FILE.replace("mail}", "&t mail}").replace("name: acme\n", "name: acme # a\tb\n"),
        FILE.replace("{team: mail}", "!!map {team: mail}"),
        FILE.replace("{team: mail}", "{? team : mail}"),
        FILE.replace("{team: mail}", "\n    ? team\n    : mail"),
    ],
)
def test_document_is_the_same_in_every_notation_that_is_read(text: str) -> None:
    assert read(text) == Tenant.model_validate(BODY)


def test_documents_that_were_concatenated_with_their_byte_order_marks_are_read() -> None:
    other = FILE.replace("name: acme\n", "name: other\n")
    sources = load(f"\ufeff---\n{FILE}\ufeff---\n{other}", file="x", platform=PLATFORM)
    assert [source.name for source in sources] == ["acme", "other"]


def test_alias_stands_for_the_value_of_its_anchor() -> None:
    tenant = read(FILE.replace("name: acme\n", "name: &n acme\n").replace("us-west", "us-west #"))
    assert tenant.metadata.name == "acme"
    text = FILE.replace("team: mail", "team: &t us-west").replace("region: us-west", "region: *t")
    assert read(text).spec.region == "us-west"


@pytest.mark.parametrize("indent", [None, "\t"])
@pytest.mark.parametrize("between", ["\n", "", "\n\n \t"])
def test_texts_of_json_are_read_one_after_the_other(indent: str | None, between: str) -> None:
    first, second = (json.dumps({**BODY, "metadata": {"name": n}}, indent=indent) for n in "ab")
    sources = load(first + between + second, file="x", platform=PLATFORM)
    assert [source.name for source in sources] == ["a", "b"]
    wrong = second.replace('"mx1"', '"MX1"')
    mistake = mistake_of(first + between + wrong)
    lines = (first + between + wrong).splitlines()
    assert lines[(mistake.line or 0) - 1][(mistake.column or 0) - 1 :].startswith('"name": "MX1"')


def test_pair_of_surrogates_in_json_is_one_character() -> None:
    mistake = mistake_of(json.dumps({**BODY, "kind": "\U0001f427"}))
    assert mistake.message == 'kind cannot be "\U0001f427"'
