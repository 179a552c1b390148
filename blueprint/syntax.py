"""Says in terms of the file why its text is not read: where, what stands there, what to write."""

from __future__ import annotations

import re
from bisect import bisect_right

import yaml

from blueprint.faults import SYNTAX, UNSUPPORTED, invalid
from kit.faults import Fault

SYNTAX_ERRORS = (
    ("escape character|escape sequence", "an escape sequence is unknown", "write \\\\ for \\"),
    (r"character '\\t'", "there is a tab where only spaces are allowed", "write spaces"),
    (r"character '(.)'", "a text cannot begin with {0}", "write the text in quotes"),
    ("undefined alias '(.*)'", "the alias *{0} has no anchor before it", "define &{0} first"),
    ("duplicate anchor '(.*)'", "the anchor &{0} is defined twice", "rename one of the two"),
    (
        "while scanning an (alias|anchor)",
        "the name of an {0} has other characters than letters, digits, - and _",
        "write a text that begins with * or & in quotes",
    ),
    (
        "undefined tag handle|a tag\\Z",
        "a tag is not complete",
        "write a text that begins with ! in quotes",
    ),
    (
        "<block end>, but found '<(scalar|alias|anchor|tag)>'",
        "a text continues after its closing quote",
        "write all of it in quotes, with \\\" or '' for a quote in it",
    ),
    (
        "sequence entries are not allowed|mapping keys are not allowed",
        "an item of a list is not on a line of its own",
        "begin a line with the hyphen",
    ),
    (
        "mapping values are not allowed",
        "there is a second key in a line, or a line is indented too far",
        "write one key in a line, and a text that contains ': ' in quotes",
    ),
    ("could not find expected ':'", "a line has no colon after its key", "write `key: value`"),
    (
        "expected <block end>",
        "a line is indented differently from those before it",
        "indent the keys of a mapping alike, and the hyphens of a list alike",
    ),
    (
        "expected ',' or|expected the node content|but got '(<stream end>|,)'",
        "a bracket, brace or comma is missing or one too many",
        "close every [ and {{ , and separate the items by single commas",
    ),
    (
        "unexpected end of stream|unexpected document separator",
        "a quoted text has no end",
        "add the closing quote",
    ),
    (
        "directive|document start|YAML document|tag handle|version number",
        "a directive or separator is wrong",
        "begin a further document with a line `---`, without directives",
    ),
    (
        "a block scalar",
        "a block text begins wrongly",
        "write | or > alone in its line, and a text that begins with one of them in quotes",
    ),
)
"""Messages of the parser, what they mean, and what to write."""
MISLEADING = (
    (re.compile("^[^#\"']*?(\u00a0)"), "the character U+00A0 (a no-break space)", "write a space"),
    (
        re.compile(r"""^[^#"']*?(?<!\S)(//|/\*)"""),
        "a comment of JavaScript",
        "begin comments with #",
    ),
)
"""What stands outside of quotes and comments where the parser names something else."""


def of_parser(error: yaml.MarkedYAMLError, file: str, lines: Lines) -> Fault:
    """Return a refusal of the parser in terms of the file."""
    mark = error.problem_mark or error.context_mark
    said = f"{error.problem or ''} {error.context or ''}"
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    for misleading, construct, remedy in MISLEADING:
        for number in range(max(1, line - 1), line + 1):  # the parser may notice it in the next
            if found := misleading.search(lines.line(number)):
                return not_supported(file, number, found.start(1) + 1, construct, remedy)
    for pattern, reason, remedy in SYNTAX_ERRORS:
        if found := re.search(pattern, said):
            parts = found.groups(default="")
            return not_readable(file, reason.format(*parts), remedy.format(*parts), line, column)
    example = "see docs/reference/tenant.md for an example"
    return not_readable(file, said.strip(), example, line, column)


def not_readable(file: str, reason: str, remedy: str, line: int = 1, column: int = 1) -> Fault:
    """Return the fault of a text that is not YAML, or too much of it."""
    violation = SYNTAX.violation(file=file, line=line, column=column, reason=reason, remedy=remedy)
    return invalid([violation])


def not_supported(file: str, line: int, column: int, construct: str, remedy: str) -> Fault:
    """Return the fault of a text with a construct that documents cannot have."""
    violation = UNSUPPORTED.violation(
        file=file, line=line, column=column, construct=construct, remedy=remedy
    )
    return invalid([violation])


class Lines:
    """The lines of a text, counted from 1."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(found.end() for found in re.finditer("\r\n|\r|\n", text))]

    def position(self, index: int) -> tuple[int, int]:
        """Return line and column of a character."""
        line = bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Return a line with its end."""
        return self._text[slice(*[*self._starts, None][number - 1 : number + 1])]
