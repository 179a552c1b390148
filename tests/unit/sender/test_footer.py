"""The footer of campaign mail: below every part that shows no link, escaped, and visible."""

from __future__ import annotations

import pytest

from blueprint.tenant import Language
from sender.footer import DEFAULTS, Footer, fill_html, fill_text

URL = "https://go.example/u/a?b&c"
ESCAPED = "https://go.example/u/a?b&amp;c"
ACME = Footer("Acme & Sons\n1 Main Street\n")
SHOWN = (
    f'<p style="font-size:smaller">You can unsubscribe at any time: <a href="{ESCAPED}">'
    "Unsubscribe</a><br>\nAcme &amp; Sons<br>\n1 Main Street</p>"
)


def text(content: str, footer: Footer | None = ACME, *, required: bool = True) -> str:
    return fill_text(content, URL, footer, required=required)


def html(content: str, footer: Footer | None = ACME, *, required: bool = True) -> str:
    return fill_html(content, URL, footer, required=required)


def test_text_without_a_link_gets_the_footer() -> None:
    below = f"You can unsubscribe at any time: {URL}\nAcme & Sons\n1 Main Street\n"
    assert text("Hello\n\n\n") == f"Hello\n\n{below}"
    assert text("") == below


@pytest.mark.parametrize("placeholder", ["{{unsubscribe_url}}", "{{ unsubscribe_url }}"])
def test_part_with_a_link_is_filled_and_gets_no_footer(placeholder: str) -> None:
    assert text(f"Stop: {placeholder} {placeholder}\n") == f"Stop: {URL} {URL}\n"
    assert html(f'<a href="{placeholder}">Stop</a>') == f'<a href="{ESCAPED}">Stop</a>'
    assert text(f"{placeholder} {{{{postal_address}}}}") == f"{URL} Acme & Sons\n1 Main Street"
    assert html(f"{placeholder} {{{{postal_address}}}}") == (
        f"{ESCAPED} Acme &amp; Sons<br>\n1 Main Street"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<p>Hello</p>", ""),
        ("<body><p>Hello</p>", "</body></html>"),
        ("<BODY>Hello", "</BODY >\n</HTML>"),
        ("<html>Hello", "</html>"),
        ("<body>a</body><body>b", "</body>"),
        ("<body>x", "</body><!-- </body> --></html><!-- </body>"),
        ("<body><!-- </body> --> x", "</body>"),
        ("<body><!--> x", "</body>"),
        ("<!-- a <!-- {{unsubscribe_url}} --> x", ""),
        ("<p>Hello</p>", "<!-- never closed"),
        ("<p>İİİ</p>", "</body>"),
        ("", ""),
    ],
)
def test_html_without_a_link_gets_the_footer_where_it_is_seen(before: str, after: str) -> None:
    shown = html(before + after)
    before, after = (part.replace("{{unsubscribe_url}}", ESCAPED) for part in (before, after))
    assert shown == f"{before}\n{SHOWN}\n{after}"


def test_html_with_its_link_between_comments_gets_no_footer() -> None:
    link = '<!--[if !mso]><!--><a href="{}">Stop</a><!--<![endif]-->'
    assert html(link.format("{{unsubscribe_url}}")) == link.format(ESCAPED)


def test_html_made_to_be_slow_is_searched_in_one_run() -> None:
    for piece in ("<!--", "<!--</body>", "</body", "</body ", "{{ ", "<!-- -->"):
        assert SHOWN in html(piece * (1_000_000 // len(piece)))


def test_part_of_transactional_mail_is_filled_and_gets_no_footer() -> None:
    assert text("Hello", required=False) == "Hello"
    assert html("<p>{{unsubscribe_url}}</p>", None, required=False) == f"<p>{ESCAPED}</p>"
    assert text("At {{postal_address}}.", None, required=False) == "At ."


def test_footer_of_the_tenant_is_text_also_in_html() -> None:
    own = Footer("Acme", Language.FR, "<b>Stop</b>: {{unsubscribe_url}}\n{{postal_address}}, merci")
    assert text("Hello", own) == f"Hello\n\n<b>Stop</b>: {URL}\nAcme, merci\n"
    link = f'<a href="{ESCAPED}">Se désabonner</a>'
    assert f"&lt;b&gt;Stop&lt;/b&gt;: {link}<br>\nAcme, merci</p>" in html("Hello", own)


def test_values_that_contain_placeholders_are_not_filled_again() -> None:
    own = Footer("{{unsubscribe_url}}", text="{{unsubscribe_url}}")
    assert text("Hello", own) == f"Hello\n\n{URL}\n{{{{unsubscribe_url}}}}\n"


@pytest.mark.parametrize("language", Language)
def test_footer_by_default_has_every_language(language: Language) -> None:
    sentence, words = DEFAULTS[language]
    footer = Footer("Acme", language)
    assert text("x", footer) == f"x\n\n{sentence}: {URL}\nAcme\n"
    assert f'">{words.replace(chr(39), "&#x27;")}</a>' in html("x", footer)
