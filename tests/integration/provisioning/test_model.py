"""Whatever happens to tenants, they become what their last documents say (short form)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.chaos.model.model import Model
from tests.integration.conftest import Emptying
from tests.support.emulator import Emulator, served

EXAMPLES, STEPS = 8, 25


@pytest.fixture
def second_emulator() -> Iterator[Emulator]:
    """Serve the emulator of the other provider."""
    with served() as emulator:
        yield emulator


def test_tenants_become_what_their_last_documents_say(
    upgraded: str, emptying: Emptying, emulator: Emulator, second_emulator: Emulator
) -> None:
    class OfThisTest(Model):
        dsn = upgraded
        empty = staticmethod(emptying.empty)
        emulators = (emulator, second_emulator)

    few = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        derandomize=True,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
    )
    run_state_machine_as_test(OfThisTest, settings=few)
