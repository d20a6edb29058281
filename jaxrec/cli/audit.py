"""The command about tampering: whether a learner uses users, once it is trained."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from jaxrec.cli.learners import RunOptions, learner_command
from jaxrec.experiments.audit.settings import AuditConfig, AuditSettings


@dataclass
class AuditOptions(RunOptions):
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
    is resumed, to the same numbers, by `jaxrec audit --resume DIR`, and drawn again by `jaxrec report DIR`.

    For example:

    jaxrec audit PolarisingUsers-v0 --agent q-learning

    jaxrec audit PreferenceShift-v0 --agent ppo --network lstm --timesteps 500000

    jaxrec audit RewiringGame-v0 --args num_users 10 degree 4 --agent ppo --network ranking --timesteps 100000
    """

    learner: Annotated[AuditSettings, tyro.conf.arg(name="")] = field(default_factory=AuditSettings)

    def config(self) -> AuditConfig:
        """The settings of the study."""
        return AuditConfig(**self.settings(), **vars(self.learner))


def audit_command(argv: Sequence[str]) -> None:
    """Audits a learner, and prints the answers."""
    learner_command("audit", argv, AuditOptions)
