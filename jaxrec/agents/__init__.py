"""What learns. Recommenders know the modelling interface and no environment; `user_model` learns users from logs."""

from jaxrec.agents.critic import LeastSquares
from jaxrec.agents.fit import TrainingError, fit
from jaxrec.agents.networks import GAT, LSTM, MLP, Neighbourhood, NetworkPolicy, NodeMLP, Ranking
from jaxrec.agents.ppo import PPO, PPOState
from jaxrec.agents.q_learning import GeometricStep, QLearning, QLearningState, TabularPolicy, VisitStep
from jaxrec.agents.user_model import LearnUsers, learn_users

__all__ = [
    "GAT",
    "LSTM",
    "MLP",
    "PPO",
    "GeometricStep",
    "LearnUsers",
    "LeastSquares",
    "Neighbourhood",
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
    "learn_users",
]
