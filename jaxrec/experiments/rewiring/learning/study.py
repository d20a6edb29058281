"""Recommenders that learn to rewire: for engagement or for cooperation, ranking users one by one or by their graph.

Carvalho, "Modelling the Recommender Alignment Problem", section 4 (Figures 9 to 13).
"""

import dataclasses

from jaxrec.experiments.rewiring.learning.claims import claims
from jaxrec.experiments.rewiring.learning.measure import measure
from jaxrec.experiments.rewiring.learning.report import report
from jaxrec.experiments.rewiring.learning.settings import LearningConfig
from jaxrec.experiments.study import Study

__all__ = ["GPU", "STUDY", "LearningConfig"]

QUICK = LearningConfig(seeds=4)
GRAPHS = dataclasses.replace(QUICK, networks=("gat",), observe_as="graphs_tuple")
"""Graph attention on jraph's `GraphsTuple`; on the matrix of ties it learns the same."""
TEN = LearningConfig(steps=(3_000_000,), evaluation_users=(10, 30, 100), evaluation_episodes=(2048, 128, 4))
THIRTY = LearningConfig(
    seeds=5,
    users=(30,),
    networks=("mlp",),
    steps=(32_000_000,),
    num_envs=512,
    num_steps=(512,),
    num_minibatches=16,
    learning_rates=(2e-2,),
    ent_coefs=(0.0, 0.0),
    fitted_values=True,
    evaluation_episodes=(1024, 4096),
)
"""A batch holds whole episodes, about one of each society: its returns are what values are fitted to."""
HUNDRED = LearningConfig(
    seeds=4,
    users=(30, 100),
    networks=("mlp",),
    steps=(32_000_000, 3_000_000),
    num_envs=128,
    num_steps=(2048, 4096),
    num_minibatches=16,
    learning_rates=(2e-2, 5e-3),
    ent_coefs=(0.0, 0.0),
    fitted_values=True,
    warm_start=True,
    evaluation_users=(10, 30, 100, 500),
    evaluation_episodes=(1024, 1024, 64, 4),
)
"""For one core and some hours: among 100 users learning goes on from what was learned among 30."""
PAPER = LearningConfig(
    users=(10, 30, 100),
    steps=(4_000_000, 4_000_000, 8_000_000),
    evaluation_users=(10, 30, 100, 500),
    evaluation_episodes=(2048, 256, 64, 16),
)
GPU = LearningConfig(
    seeds=4,
    users=(30, 100, 500),
    networks=("gat",),
    steps=(32_000_000, 12_000_000, 1_500_000),
    gat_layers=1,
    gat_share=1.0,
    num_envs=128,
    num_steps=(2048, 4096, 256),
    num_minibatches=64,
    learning_rates=(1e-2, 5e-3, 3e-3),
    ent_coefs=(0.0, 0.0),
    fitted_values=True,
    warm_start=True,
    evaluation_users=(10, 30, 100, 500),
    evaluation_episodes=(1024, 1024, 1024, 32),
)
"""For a GPU of 80 GB: a batch of all seeds holds 128 x 4096 x 4 graphs of 10 kB at N = 100, and 128 x 256 x 4 of 250 kB
at N = 500: 21 and 33 GB. What attention keeps of one minibatch for its gradient adds some tens. At N = 500 no episode
ends in so few steps: what is learned comes from the rewards on the way, and there are no returns to draw. It begins
among 30 because what an MLP learned there earned more requests than any heuristic among 100 (`HUNDRED`), where graph
attention that began there was not done after 16 million steps.
"""

STUDY = Study(
    "rewiring-learning",
    "Recommenders learn to rewire: engagement against cooperation (Carvalho, section 4)",
    {"quick": QUICK, "graphs": GRAPHS, "ten": TEN, "thirty": THIRTY, "hundred": HUNDRED, "paper": PAPER, "gpu": GPU},
    measure,
    claims,
    report,
    {"quick": "a sixth of the steps of the preset `ten`, four seeds, and training among ten users alone"},
    {"ten": 96, "thirty": 116, "hundred": 134},
)
