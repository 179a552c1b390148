"""What campaign mail must show its reader: a link to unsubscribe, and the sender's postal address.

Callers place the link themselves by `{{unsubscribe_url}}`; a part without it gets the tenant's
footer. `{{postal_address}}` stands for the address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

from blueprint.tenant import Language

PLACEHOLDER = re.compile(r"\{\{ *(unsubscribe_url|postal_address) *\}\}")
LINK = "unsubscribe_url"
DEFAULTS = {
    Language.DE: ("Sie können diese E-Mails jederzeit abbestellen", "Abbestellen"),
    Language.EN: ("You can unsubscribe at any time", "Unsubscribe"),
    Language.ES: ("Puede darse de baja en cualquier momento", "Darse de baja"),
    Language.FR: ("Vous pouvez vous désabonner à tout moment", "Se désabonner"),
    Language.IT: ("Può annullare l'iscrizione in qualsiasi momento", "Annulla l'iscrizione"),
    Language.NL: ("U kunt zich op elk moment afmelden", "Afmelden"),
    Language.PL: ("Możesz zrezygnować w każdej chwili", "Zrezygnuj"),
    Language.PT: ("Pode cancelar a subscrição a qualquer momento", "Cancelar subscrição"),
}
"""By language: what a footer says, and the words of its link in HTML."""
MARK = re.compile(r"<!--|</(?:body|html)\s*>", re.IGNORECASE)
"""A comment, which ends somewhere behind, or the end of what is shown."""


@dataclass(frozen=True)
class Footer:
    """A tenant's footer."""

    postal_address: str
    """May have several lines."""
    language: Language = Language.EN
    text: str | None = None
    """The tenant's own, with a placeholder for the link; None: the default of the language."""

    def __str__(self) -> str:
        """Return the whole text with its placeholders: the address is below it, or in it."""
        text = self.text or f"{DEFAULTS[self.language][0]}: {{{{{LINK}}}}}"
        if "postal_address" in PLACEHOLDER.findall(text):
            return text.strip()
        return f"{text.strip()}\n{{{{postal_address}}}}"

    @property
    def link(self) -> str:
        """Return the words of the link in HTML."""
        return DEFAULTS[self.language][1]


def fill_text(text: str, url: str, footer: Footer | None, *, required: bool) -> str:
    """Return plain text with its placeholders filled, and with the footer where it is required."""
    values = {LINK: url, "postal_address": footer.postal_address.strip() if footer else ""}
    if footer is not None and required and LINK not in PLACEHOLDER.findall(text):
        text = f"{text.rstrip()}\n\n{footer}\n".lstrip("\n")
    return PLACEHOLDER.sub(lambda found: values[found[1]], text)


def fill_html(html: str, url: str, footer: Footer | None, *, required: bool) -> str:
    """Return HTML with its placeholders filled, and with the footer where it is required."""
    address = _lines(footer.postal_address) if footer else ""
    values = {LINK: escape(url), "postal_address": address}
    filled = PLACEHOLDER.sub(lambda found: values[found[1]], html)
    if footer is None or not required or LINK in PLACEHOLDER.findall(_without_comments(html)):
        return filled
    values[LINK] = f'<a href="{escape(url)}">{escape(footer.link)}</a>'
    shown = PLACEHOLDER.sub(lambda found: values[found[1]], _lines(str(footer)))
    at = _end_of_body(filled)
    return f'{filled[:at]}\n<p style="font-size:smaller">{shown}</p>\n{filled[at:]}'


def _lines(text: str) -> str:
    """Return text as HTML, each line in a line."""
    return "<br>\n".join(escape(line.strip()) for line in text.strip().splitlines())


def _without_comments(html: str) -> str:
    shown, at = [], 0
    while (start := html.find("<!--", at)) >= 0:
        shown.append(html[at:start])
        end = html.find("-->", start + 2)
        if end < 0:
            return "".join(shown)
        at = end + 3
    return "".join(shown) + html[at:]


def _end_of_body(html: str) -> int:
    """Return where to add to what a reader sees: before the last end of the body, or at the end.

    Tags in comments end nothing; a comment that is never closed hides all that follows it.
    """
    at, end = 0, None
    while found := MARK.search(html, at):
        if found[0] != "<!--":
            at = found.end()
            if end is None or found[0][2:6].lower() == "body":
                end = found.start()
            continue
        closed = html.find("-->", found.start() + 2)
        if closed < 0:
            return found.start() if end is None else end
        at = closed + 3
    return len(html) if end is None else end
