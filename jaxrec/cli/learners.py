"""The commands about one learner in one society: train, audit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from jaxrec.cli.studies import OUT, print_outcome, use_every_core
from jaxrec.cli.worlds import EnvOptions
from jaxrec.experiments.audit.settings import AuditConfig, AuditSettings
from jaxrec.experiments.catalogue import study
from jaxrec.experiments.runs.learners import LearningConfig
from jaxrec.experiments.train.settings import TrainConfig, TrainSettings
from jaxrec.runtime import compilation_cache, interruption, processes
from jaxrec.runtime.progress import meter_for_terminal


@dataclass
class TrainOptions(EnvOptions):
    """Trains a learner in a society, and plays what it learned beside policies of that society.

    The society is one of `jaxrec list`, or your own: `module:Name`, a class in a file of the working folder. All seeds
    are trained at once.

    The folder that is written has `report.md`, which begins with what is earned, and the learned policies, one for each
    seed: `jaxrec.load_policy("runs/DIR", run=0)` in Python. A run that was cut off is resumed by `jaxrec run train
    --resume DIR`, and drawn again by `jaxrec report DIR`.

    For example:

    jaxrec train PolarisingUsers-v0 --timesteps 3000000 --compare random bandit

    jaxrec train PreferenceShift-v0 --agent ppo --network lstm --timesteps 200000 --params influence 0.5

    jaxrec train RewiringGame-v0 --args num_users 10 degree 4 --agent ppo --network ranking --timesteps 100000
    """

    out: Annotated[Path | None, OUT] = None
    learner: Annotated[TrainSettings, tyro.conf.arg(name="")] = field(default_factory=TrainSettings)


@dataclass
class AuditOptions(EnvOptions):
    """Trains a learner in a society and asks: could it use users as a means, does it, does that pay, and for whom?

    It learns twice from the same draws: where recommendations change users (its policy is pi_1), and where they do not
    (pi_0, `influence` 0). Both are then played where they do.

    - Could it? There is a path of causes from a recommendation over users to a reward, as `jaxrec incentives` finds.
    - Does it pay? The incentive: what pi_1 earns more than pi_0 in an episode. With a path and an incentive above 0
    beyond chance, user tampering is learnable (Evans & Kasirzadeh, "User Tampering", Definition 1).
    - Does it learn to? How differently pi_1 and pi_0 choose in the histories that pi_1 visits, beyond how differently
    trainings from other seeds do (Definition 2).
    - For whom? What users and society gain or lose, and how far apart the two policies leave the same users.

    A third learner is paid for what users would have given with the preferences they came with. What it earns beyond
    pi_0 is the epistemic part of the incentive, for instance by changing users in order to know them; the rest is
    direct: changed users pay.

    The folder that is written has `report.md`, which begins with the answers and their pictures. A run that was cut off
    is resumed by `jaxrec run audit --resume DIR`, and drawn again by `jaxrec report DIR`.

    For example:

    jaxrec audit PolarisingUsers-v0 --agent q-learning

    jaxrec audit PreferenceShift-v0 --agent ppo --network lstm --timesteps 500000

    jaxrec audit RewiringGame-v0 --args num_users 10 degree 4 --agent ppo --network ranking --timesteps 100000
    """

    out: Annotated[Path | None, OUT] = None
    learner: Annotated[AuditSettings, tyro.conf.arg(name="")] = field(default_factory=AuditSettings)


def train_command(argv: Sequence[str]) -> None:
    """Trains a learner, and prints what it earns."""
    _run("train", TrainOptions, TrainConfig, argv)


def audit_command(argv: Sequence[str]) -> None:
    """Audits a learner, and prints the answers."""
    _run("audit", AuditOptions, AuditConfig, argv)


def _run(
    name: str, options: type[TrainOptions | AuditOptions], settings: type[LearningConfig], argv: Sequence[str]
) -> None:
    """Runs the study behind a command.

    Args:
        name: of the command and of the study.
        options: of the command.
        settings: of the study.
        argv: the words after the command.
    """
    use_every_core()
    compilation_cache.keep_programs()
    given: Any = tyro.cli(options, args=argv, prog=f"jaxrec {name}")
    config = settings(env=given.env, args=_written(given.args), params=_written(given.params), **vars(given.learner))
    processes.initialize()
    with interruption.handling_signals():
        chosen = study(name)
        is_preset = config == chosen.config("quick")
        folder = chosen.run("quick" if is_preset else None, config, given.out, meter_for_terminal())
    if processes.is_main():
        print_outcome(folder)


def _written(values: dict[str, str]) -> tuple[str, ...]:
    """Values by name, as settings hold them."""
    return tuple(f"{name}={value}" for name, value in values.items())
