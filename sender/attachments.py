"""Files and pictures of a message: their schema, and how each is written."""

from __future__ import annotations

import base64
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from blueprint.fields import NOT_BLANK, Matching
from sender.headers import parameter
from sender.transfer import in_base64

MOST_CONTENT = 15_000_000
"""Octets of a message: its text, its HTML and its attachments in base64. In whatever encoding the
mail is written, it stays below the 25 MiB that our hosts take."""
MOST_ATTACHMENTS = 50
BASE64 = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
TOKEN = r"[A-Za-z0-9!#$&^_.+-]{1,80}"  # noqa: S105 - RFC 2045's word for a part of a media type
MEDIA_TYPE = (
    rf"^(application|audio|font|image|model|text|video)/{TOKEN}"
    rf'(; *{TOKEN}=({TOKEN}|"[A-Za-z0-9!#$&^_.+:/?=, -]{{1,80}}"))*$'
)
"""Parameters as in `text/plain; charset=utf-8`. Not `multipart`, which is no file, and not
`message`, whose content may not be encoded (RFC 2046 section 5.2)."""
CONTENT_ID = r"^[A-Za-z0-9!#$%&'*+/=^_`{|}~.@-]{1,120}$"


class Attachment(BaseModel):
    """A file, or a picture that the HTML shows."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    content: Annotated[
        str,
        Field(max_length=MOST_CONTENT),
        Matching(BASE64, "write it in base64 (RFC 4648 section 4), in one line, with padding"),
    ]
    """In base64."""
    content_type: Annotated[
        str,
        Field(max_length=500),
        Matching(MEDIA_TYPE, "write a media type such as application/pdf"),
    ] = "application/octet-stream"
    """Media type, such as `application/pdf` or `text/csv; charset=utf-8`."""
    filename: (
        Annotated[
            str,
            Field(max_length=200),
            Matching(NOT_BLANK, "give a name in one line, without control characters"),
        ]
        | None
    ) = None
    content_id: (
        Annotated[str, Matching(CONTENT_ID, "write the text that follows `cid:` in the HTML")]
        | None
    ) = None
    """For a picture that the HTML shows by `cid:…`."""

    @property
    def data(self) -> bytes:
        """Return the content."""
        return base64.b64decode(self.content)


def written(item: Attachment, *, is_shown: bool) -> tuple[str, bytes]:
    """Return the fields and the body of a part: of a file, or of a picture that the HTML shows."""
    # No parameter holds a semicolon.
    content_type = ";\r\n ".join(part.strip(" ") for part in item.content_type.split(";"))
    filename = "" if item.filename is None else parameter("filename", item.filename)
    fields = (
        f"Content-Type: {content_type}\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: {'inline' if is_shown else 'attachment'}{filename}\r\n"
    )
    if is_shown:
        fields += f"Content-ID: <{item.content_id}>\r\n"
    return fields, in_base64(item.data)
