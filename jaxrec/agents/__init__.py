"""Algorithms: pure, and they know the modelling interface alone, no society."""

from jaxrec.agents.critic import LeastSquares
from jaxrec.agents.independent import ByTurn, IndependentPPO
from jaxrec.agents.network_policy import NetworkPolicy
from jaxrec.agents.networks import GAT, LSTM, MLP, Neighbourhood, NodeMLP, Ranking
from jaxrec.agents.ppo import PPO, PPOState
from jaxrec.agents.q_learning import QLearning, QLearningState, TabularPolicy
from jaxrec.agents.settings import PPOSettings, QLearningSettings
from jaxrec.agents.step_sizes import GeometricStep, VisitStep

__all__ = [
    "GAT",
    "LSTM",
    "MLP",
    "PPO",
    "ByTurn",
    "GeometricStep",
    "IndependentPPO",
    "LeastSquares",
    "Neighbourhood",
    "NetworkPolicy",
    "NodeMLP",
    "PPOSettings",
    "PPOState",
    "QLearning",
    "QLearningSettings",
    "QLearningState",
    "Ranking",
    "TabularPolicy",
    "VisitStep",
]
