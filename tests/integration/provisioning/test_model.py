"""Whatever happens to tenants, they become what their last documents say (short form)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.chaos.model.documents import Declared
from tests.chaos.model.model import Model
from tests.chaos.model.trials import TRIALS
from tests.chaos.reconciler.switches import Without, switched_off
from tests.integration.conftest import Emptying
from tests.support.emulator import Emulator, served

EXAMPLES, STEPS = 8, 25


@pytest.fixture
def second_emulator() -> Iterator[Emulator]:
    """Serve the emulator of the other provider."""
    with served() as emulator:
        yield emulator


@pytest.fixture
def model(
    upgraded: str, emptying: Emptying, emulator: Emulator, second_emulator: Emulator
) -> type[Model]:
    class OfThisTest(Model):
        dsn = upgraded
        empty = staticmethod(emptying.empty)
        emulators = (emulator, second_emulator)
        exercised = Counter[str]()

    return OfThisTest


def test_tenants_become_what_their_last_documents_say(model: type[Model]) -> None:
    few = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        derandomize=True,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
    )
    run_state_machine_as_test(model, settings=few)
    assert any(what.endswith("reached") for what in model.exercised), "nothing has ended"


@contextmanager
def _begun(model: type[Model]) -> Iterator[Model]:
    """Yield a world with nothing in it; at the end all settles, and is compared."""
    begun = model()
    begun.begin(0)
    try:
        yield begun
    finally:
        begun.teardown()


def test_spf_record_that_was_changed_in_the_portal_is_written_again(model: type[Model]) -> None:
    with _begun(model) as tried:
        tried.declare(Declared("a"))
        tried.settle()
        comments = [record["comment"] for _, record in tried.world.marked()]
        [changed] = [each for each in comments if each.endswith("a.example/SPF")]
        tried.portal("change a record", comments.index(changed))


def test_server_that_was_shut_down_in_the_portal_is_named_by_the_next_pass(
    model: type[Model],
) -> None:
    with _begun(model) as tried:
        tried.declare(Declared("a"))
        tried.settle()
        tried.portal("shut down", 0)


def test_end_of_a_server_that_had_no_effect_is_asked_for_again(model: type[Model]) -> None:
    with _begun(model) as tried:
        tried.declare(Declared("a"))
        tried.settle()
        tried.delete("a")
        tried.hostwinds_fails("no_effect", 9)
        tried.work(60, 4)
        assert tried.world.ours(), "it has ended"


def test_account_that_refused_the_key_is_tried_again(model: type[Model]) -> None:
    with _begun(model) as tried:
        tried.declare(Declared("a"))
        tried.hostwinds_fails("unauthorized", 9)
        tried.work(60, 4)
        assert not tried.world.ours(), "it was not refused"


@pytest.mark.parametrize("without", TRIALS)
def test_model_finds_what_is_wrong_without_a_protection(
    model: type[Model], without: Without
) -> None:
    found = TRIALS[without][1]
    with (
        switched_off(without),
        pytest.raises(AssertionError, match=found),
        _begun(model) as tried,
    ):
        TRIALS[without][0](tried)


@pytest.mark.parametrize("without", TRIALS)
def test_nothing_is_wrong_with_all_protections(model: type[Model], without: Without) -> None:
    with _begun(model) as tried:
        TRIALS[without][0](tried)
