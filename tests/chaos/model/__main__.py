"""Runs the model test for longer: `python -m tests.chaos.model --examples 500 --seed 7`."""

from __future__ import annotations

import argparse
import logging
import os
import random
import shutil
from collections import Counter
from contextlib import ExitStack, closing

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.database import InMemoryExampleDatabase
from hypothesis.stateful import run_state_machine_as_test

from controlplane.migrations import upgrade
from kit.paths import state_dir
from tests.bench.reconciler.world import made_rsa_keys
from tests.chaos.model.ends import Target
from tests.chaos.model.model import Model
from tests.chaos.reconciler.switches import Without, switch_off
from tests.integration.conftest import Emptying
from tests.support.emulator import served
from tests.support.installation import INSTALLATION, PASSWORDS
from tests.support.plain_log import log_plainly
from tools.servers import Postgres


def main() -> None:
    """Run; an example that fails is made smaller, and printed with all its steps."""
    parser = argparse.ArgumentParser(prog="make chaos-model")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))  # noqa: S311 - no secret
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument(
        "--without",
        type=Without,
        choices=[each for each in Without if each],
        default=Without.NOTHING,
        help="switch off what protects: an example fails, which is not made smaller",
    )
    arguments = parser.parse_args()
    switch_off(arguments.without)
    print(f"seed {arguments.seed}", flush=True)
    log_plainly(least=logging.ERROR)
    directory = state_dir() / "chaos-model" / str(os.getpid())
    directory.mkdir(parents=True)
    searched = [Phase.generate] if arguments.without else [Phase.generate, Phase.shrink]
    server = Postgres(directory / "postgres", durable=False)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        stack.callback(server.stop)
        server.start()
        upgrade(server.dsn(), INSTALLATION, PASSWORDS)
        emptying = stack.enter_context(closing(Emptying(server.dsn())))
        both = stack.enter_context(served()), stack.enter_context(served())
        stack.enter_context(made_rsa_keys())

        exercised = Counter[str]()
        stack.callback(_say, exercised)

        @seed(arguments.seed)
        class OfThisRun(Model):
            dsn = server.dsn()
            empty = staticmethod(emptying.empty)
            emulators = both

        OfThisRun.exercised = exercised
        run_state_machine_as_test(
            OfThisRun,
            settings=settings(
                max_examples=arguments.examples,
                stateful_step_count=arguments.steps,
                deadline=None,
                database=InMemoryExampleDatabase(),
                suppress_health_check=list(HealthCheck),
                phases=searched,
                print_blob=False,
            ),
        )
    print(f"{arguments.examples} examples")


def _say(exercised: Counter[str]) -> None:
    """Print how many of the ends that were drawn have happened."""
    for target in Target:
        drawn, reached = exercised[f"{target} drawn"], exercised[f"{target} reached"]
        print(f"ends of {target}: {reached} of {drawn} were reached")


if __name__ == "__main__":
    main()
