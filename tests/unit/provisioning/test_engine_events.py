"""The engine's output is shown without secrets."""

from __future__ import annotations

from controlplane.pulumi.events import Listener

TEXT = (
    'unable to open "postgres://engine:s3cr%40t@db:5432/penguin?sslmode=disable": no pg_hba entry'
)


def test_password_of_the_state_in_an_error_is_not_shown() -> None:
    lines: list[str] = []
    listener = Listener(lines.append)
    listener.handle({"diagnosticEvent": {"severity": "error", "message": f"<{{%reset%}}>{TEXT}"}})
    listener.handle_line(TEXT)
    shown = [listener.diagnostics[0].text, *lines, *listener.output]
    assert shown == [TEXT.replace("s3cr%40t", "***")] * 3
