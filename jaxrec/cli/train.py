"""The command that trains one learner in one society."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from jaxrec.cli.learners import RunOptions, learner_command
from jaxrec.experiments.train.settings import TrainConfig, TrainSettings


@dataclass
class TrainOptions(RunOptions):
    """Trains a learner in a society, and says what it earns an episode, against the society's own recommenders.

    Every seed is a training of its own, all at once. The policies that they learned are then played without exploration
    in whole episodes, next to random recommendations and every policy of `jaxrec list`, on the same draws.

    The folder that is written has

    - `report.md`, which begins with what the learner earns, with a 95 % interval over seeds, and the picture;
    - `metrics.jsonl`, a line for each part of the training, and `measured.npz`, all that was measured;
    - `checkpoints/001-training`, the policy of each seed: jaxrec.load_policy("DIR/checkpoints/001-training", run=0);
    - `manifest.json`, the settings, versions and machine, from which `jaxrec reproduce DIR` runs it again.

    A training that was cut off is resumed, to the same numbers, by `jaxrec train --resume DIR`, and drawn again by
    `jaxrec report DIR`. A folder that has something in it is never written to.

    For example:

    jaxrec train PolarisingUsers-v0 --agent q-learning --params influence 0.5

    jaxrec train PreferenceShift-v0 --agent ppo --network lstm --timesteps 500000 --ppo.learning-rate 3e-3

    jaxrec train RewiringGame-v0 --args num_users 10 degree 4 --agent ppo --network ranking --timesteps 100000

    jaxrec train mysociety:MySociety --agent ppo --timesteps 100000 --out runs/mine
    """

    learner: Annotated[TrainSettings, tyro.conf.arg(name="")] = field(default_factory=TrainSettings)

    def config(self) -> TrainConfig:
        """The settings of the study."""
        return TrainConfig(**self.settings(), **vars(self.learner))


def train_command(argv: Sequence[str]) -> None:
    """Trains a learner, and prints what it earns."""
    learner_command("train", argv, TrainOptions)
