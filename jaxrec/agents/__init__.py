"""The recommenders' learning algorithms. An agent knows the modelling interface and no environment."""

from jaxrec.agents.fit import TrainingError, fit
from jaxrec.agents.networks import GAT, LSTM, MLP, NetworkPolicy, NodeMLP, Ranking
from jaxrec.agents.ppo import PPO, PPOState
from jaxrec.agents.q_learning import GeometricStep, QLearning, QLearningState, TabularPolicy, VisitStep

__all__ = [
    "GAT",
    "LSTM",
    "MLP",
    "PPO",
    "GeometricStep",
    "NetworkPolicy",
    "NodeMLP",
    "PPOState",
    "QLearning",
    "QLearningState",
    "Ranking",
    "TabularPolicy",
    "TrainingError",
    "VisitStep",
    "fit",
]
