"""Users whose preferences shift with the slates they see.

Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender
Systems".
"""

from jaxrec.envs.preference.constants import fitted_params, fitted_slates
from jaxrec.envs.preference.env import PreferenceShift, PreferenceState
from jaxrec.envs.preference.known import KnownPreference
from jaxrec.envs.preference.params import PreferenceParams
from jaxrec.envs.preference.policies import RandomSlate, Table
from jaxrec.envs.preference.slates import Beliefs, Choices

__all__ = [
    "Beliefs",
    "Choices",
    "KnownPreference",
    "PreferenceParams",
    "PreferenceShift",
    "PreferenceState",
    "RandomSlate",
    "Table",
    "fitted_params",
    "fitted_slates",
]
