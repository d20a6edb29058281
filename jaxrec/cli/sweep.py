"""The command that trains one learner over a grid of settings."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jaxrec.cli.learners import RunOptions, learner_command
from jaxrec.experiments.sweep.settings import SweepConfig, said
from jaxrec.experiments.train.settings import TrainSettings
from jaxrec.runtime import processes
from jaxrec.statistics import Estimate


@dataclass
class SweepOptions(RunOptions):
    """Trains a learner at every point of a grid, and says which setting earns most an episode.

    Each `--over NAME=VALUES` is one axis of the grid. All combinations are trained with all seeds, and equal seeds have
    equal draws.

    - Numbers that change no shape are trained side by side, in one call: learning_rate, gamma or ent_coef of PPO;
    gamma, td_lambda or epsilon_start of Q-learning; and, as params.NAME, a run-time value of the society.
    - For each value of what does, a program is compiled, and these run one after the other: num_envs, num_steps,
    num_epochs, num_minibatches, network, hidden_size, num_layers or timesteps of PPO; num_envs, num_steps, step_size,
    visit_weight, alpha_start, alpha_end or timesteps of Q-learning; and, as args.NAME, a constructor argument.

    The folder that is written has `report.md`, which begins with the setting that earns most, its picture and a table
    of settings with means and 95 % intervals over seeds; `checkpoints` has the policies, a folder a program. A sweep
    that was cut off is resumed, to the same numbers, by `jaxrec sweep --resume DIR`, and drawn again by `jaxrec report
    DIR`.

    For example:

    jaxrec sweep PolarisingUsers-v0 --agent q-learning --over params.influence=0,0.5,1

    jaxrec sweep PreferenceShift-v0 --agent ppo --over learning_rate=1e-4,3e-4 --over params.influence=0,0.5,1

    jaxrec sweep PreferenceShift-v0 --agent ppo --over num_layers=1,2 --over learning_rate=1e-4,3e-4
    """

    over: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """An axis of the grid: a name and its values, learning_rate=1e-4,3e-4. Give it again for another axis."""
    learner: Annotated[TrainSettings, tyro.conf.arg(name="")] = field(default_factory=TrainSettings)

    def config(self) -> SweepConfig:
        """The settings of the study."""
        return SweepConfig(**self.settings(), **vars(self.learner), over=self.over)


def sweep_command(argv: Sequence[str]) -> None:
    """Trains a grid, and prints which setting earns most, and the table of all."""
    folder = learner_command("sweep", argv, SweepOptions)
    if processes.is_main():
        _print(json.loads((folder / "results.json").read_text())["table"])


def _print(rows: list[dict[str, Any]]) -> None:
    """Prints what each setting earns."""
    table = Table(*map(escape, rows[0]["setting"]), "return of an episode (mean, 95 % interval over seeds)")
    for row in rows:
        setting = map(said, row["setting"].values())
        table.add_row(*setting, escape(str(Estimate(**row["return"]))))
    Console().print(table)
