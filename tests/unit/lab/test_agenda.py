"""Effects come in the order in which they are due, and none is lost because of another."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.agenda import Agenda


class Refused(Exception):
    """The effect is not possible any more."""


class Diary:
    """An agenda with a clock that tests advance, and what it did."""

    def __init__(self) -> None:
        self.now = 0.0
        self.done: list[str] = []
        self.agenda = Agenda(lambda: self.now, Refused)

    def note(self, name: str) -> Callable[[], None]:
        return lambda: self.done.append(name)

    def fail(self, error: Exception) -> Callable[[], None]:
        def effect() -> None:
            raise error

        return effect


@pytest.fixture
def diary() -> Diary:
    return Diary()


def test_effects_come_when_they_are_due_the_oldest_first(diary: Diary) -> None:
    for seconds, name in ((3, "c"), (2, "b"), (2, "b2"), (0, "a"), (9, "z")):
        diary.agenda.after(seconds, diary.note(name))
    assert diary.done == ["a"]
    diary.now = 3
    diary.agenda.run_due()
    assert diary.done == ["a", "b", "b2", "c"]
    diary.agenda.run_all()
    assert diary.done[-1] == "z"


@pytest.mark.parametrize(("error", "shown"), [(Refused(), False), (OSError("no power"), True)])
def test_effect_that_fails_takes_no_other_with_it(
    diary: Diary, error: Exception, shown: bool
) -> None:
    diary.agenda.after(1, diary.fail(error))
    diary.agenda.after(1, diary.note("other"))
    diary.now = 1
    if shown:
        with pytest.raises(OSError, match="no power"):
            diary.agenda.run_due()
    diary.agenda.run_due()
    assert diary.done == ["other"]
