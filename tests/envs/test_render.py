"""Pictures of episodes: what is drawn is what happened, and what cannot be drawn is refused in one line."""

import functools
import gc

import jax
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from societies import as_bits, as_bools

import jaxrec
from jaxrec.envs import episodes
from jaxrec.envs.polarising.render import COLOURS
from jaxrec.envs.preference import PreferenceShift, metrics
from jaxrec.envs.preference import render as preference
from jaxrec.envs.preference.dynamics import DEGREES
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.envs.rewiring import render as rewiring

ENVIRONMENTS = {
    "polarising": jaxrec.make("PolarisingUsers-v0", horizon=7)[0],
    "preference": PreferenceShift(horizon=5, observe_as="beliefs"),
    "rewiring": RewiringGame(10, 4, "learning"),
}


@functools.cache
def played(name):
    """What happened in two environments, for longer than an episode of each."""
    env, steps = ENVIRONMENTS[name], {"polarising": 20, "preference": 12, "rewiring": 200}[name]
    rollout = jaxrec.rollout(env, env.policy("random"), jax.random.key(3), 2, steps, trajectory=True)
    assert np.asarray(rollout.trajectory.done).any(axis=0).all()
    return rollout.replace(trajectory=jax.tree.map(np.asarray, rollout.trajectory))


def draw_step(trajectory):
    rewiring.draw_step(trajectory, 0, Figure().subplots())


DRAWN = {name: (name, env.render) for name, env in ENVIRONMENTS.items()} | {
    "preference, moving": ("preference", functools.partial(preference.animate_episode, ENVIRONMENTS["preference"])),
    "rewiring, moving": ("rewiring", functools.partial(rewiring.animate_episode, ENVIRONMENTS["rewiring"])),
    "rewiring, a step": ("rewiring", draw_step),
}
NEXT = {"polarising": "preference", "preference": "rewiring", "rewiring": "polarising"}
WRONG = {
    "a batch": (lambda whole: whole.trajectory, r"of one environment, got leaves of shape \[\d+, 2\].*\[:, 0\]"),
    "a batch of one": (lambda whole: whole.trajectory[:, :1], r"got leaves of shape \[\d+, 1\]"),
    "one step of all": (lambda whole: whole.trajectory[0], r"of one environment, got one step of several.*\[:, 0\]"),
    "one step of one": (lambda whole: whole.trajectory[0, 0], r"got leaves of shape \[\]"),
    "no step": (lambda whole: whole.trajectory[:0, 0], "must have at least one step, got none"),
    "a rollout": (lambda whole: whole, "must be a Trajectory of one environment.* got a Rollout"),
    "no trajectory": (lambda whole: None, "must be a Trajectory of one environment.* got None"),
    "a state": (lambda whole: whole.trajectory[0, 0].state, "must be a Trajectory.* got a [A-Z][a-z]*State"),
    "actions": (lambda whole: whole.trajectory.action, "must be a Trajectory.* got a ndarray"),
}


EACH = [pytest.param(name, marks=[pytest.mark.slow] * (name != "polarising")) for name in DRAWN]  # alike


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", EACH)
def test_what_is_no_episode_is_refused_in_one_line(name, wrong):
    env, draw = DRAWN[name]
    given, message = WRONG[wrong]
    with pytest.raises(jaxrec.InputError, match=message) as error:
        draw(given(played(env)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", EACH)
def test_an_episode_of_another_society_is_refused(name):
    env, draw = DRAWN[name]
    with pytest.raises(jaxrec.InputError, match="must be of the environment that draws it, whose states have") as error:
        draw(played(NEXT[env]).trajectory[:, 0])
    assert "\n" not in str(error.value)


def test_actions_that_are_none_of_the_environment_are_refused():
    for name in ("polarising", "preference"):
        trajectory = played(name).trajectory[:, 0]
        with pytest.raises(jaxrec.InputError, match=r"trajectory.action must be within \[0, \d\], got 99"):
            ENVIRONMENTS[name].render(trajectory.replace(action=np.full_like(trajectory.action, 99)))


def test_the_first_episode_ends_where_it_ended():
    whole = played("polarising").trajectory[:, 1]
    first = episodes.first_episode(whole)
    assert first.done.tolist() == [False] * 6 + [True]
    np.testing.assert_array_equal(first.state.time, np.arange(7))
    np.testing.assert_array_equal(first.action, whole.action[:7])
    begun = episodes.first_episode(whole[:4])
    np.testing.assert_array_equal(begun.action, whole.action[:4])
    assert len(episodes.first_episode(whole[:6:2]).done) == 3, "steps may be left out"
    assert len(episodes.first_episode(whole[7:]).done) == 7, "the second is the first of the rest"


def test_states_that_tell_no_time_are_taken_as_they_come():
    whole = played("polarising").trajectory[:, 0]
    assert len(episodes.first_episode(whole.replace(state=whole.state.theta)).done) == 7


def test_clicks_of_a_polarised_user_are_drawn():
    trajectory = played("polarising").trajectory[:, 1]
    shown, user = ENVIRONMENTS["polarising"].render(trajectory).axes
    clicks = np.asarray(trajectory.next_state.clicked - trajectory.state.clicked)[:7].sum(axis=1)
    for number, colour in enumerate(COLOURS.values()):
        hit, missed = shown.collections[2 * number : 2 * number + 2]
        for points, clicked in ((hit, 1), (missed, 0)):
            steps = np.flatnonzero((trajectory.action[:7] == number) & (clicks == clicked))
            np.testing.assert_array_equal(points.get_offsets(), np.c_[steps, np.full(len(steps), -number)])
        assert to_hex(hit.get_facecolors()[0]) == colour
        assert len(missed.get_facecolors()) == 0
    for number, line in enumerate(user.lines):
        np.testing.assert_array_equal(line.get_ydata()[:7], trajectory.state.theta[:7, number])
        assert line.get_ydata()[7] == trajectory.next_state.theta[6, number]


def test_preferences_slates_and_choices_are_drawn():
    env, trajectory = ENVIRONMENTS["preference"], played("preference").trajectory[:, 1]
    circle, course = env.render(trajectory).axes
    drawn = {line.get_label(): line.get_ydata() for line in circle.lines}
    np.testing.assert_array_equal(drawn["preference"], DEGREES[trajectory.state.preference[:5]])
    np.testing.assert_array_equal(drawn["natural"], DEGREES[trajectory.state.natural[:5]])
    np.testing.assert_array_equal(drawn["choice"], DEGREES[trajectory.next_state.choice[:5]])
    means = np.asarray(env.slate_means)
    np.testing.assert_array_equal(drawn["slate"], means[trajectory.action[:5]])
    (beliefs,) = circle.collections
    np.testing.assert_allclose(beliefs.get_array().sum(axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(np.asarray(beliefs.get_array()).T, trajectory.state.joint[:5].sum(axis=1))
    measured = jax.vmap(metrics.engagements, in_axes=(0, 0, None))(
        trajectory[:5].state, trajectory[:5].next_state, env.default_params
    )
    for line, label, engagement in zip(course.lines, ("now", "at first", "left alone"), measured, strict=True):
        assert line.get_label() == label
        np.testing.assert_allclose(line.get_ydata(), engagement, atol=1e-6)


@pytest.mark.slow
def test_a_society_is_drawn_as_it_was():
    trajectory = played("rewiring").trajectory[:, 0]
    length = int(trajectory.done.argmax()) + 1
    *pictures, course, requests = RewiringGame(40, 4).render(trajectory).axes
    assert len(pictures) == min(4, length)
    fractions = as_bools(trajectory.state.society.cooperators, 10)[:length].mean(axis=1)
    np.testing.assert_allclose(course.lines[0].get_ydata(), fractions, err_msg="of its own users, whoever draws it")
    np.testing.assert_array_equal(course.lines[0].get_xdata(), trajectory.state.clock[:length])
    np.testing.assert_array_equal(requests.lines[0].get_ydata(), trajectory.state.requests[:length])
    assert pictures[0].get_title() == f"time-step {trajectory.state.clock[0]}: {fractions[0]:.0%} cooperate"
    nodes = pictures[0].collections[-1]
    cooperates = as_bools(trajectory.state.society.cooperators[0], 10)
    for colour, cooperative in zip(nodes.get_facecolors(), cooperates, strict=True):
        assert to_hex(colour) == (rewiring.COOPERATOR if cooperative else rewiring.DEFECTOR)


def drawn_ties(trajectory, step):
    """{colour: the ends of the ties that are drawn in it}, in a layout where users lie at (i, i^2)."""
    axes = Figure().subplots()
    rewiring.draw_step(trajectory, step, axes, {user: (user, user**2) for user in range(10)})
    lines = axes.collections[:-1]
    return {
        to_hex(one.get_colors()[0]): [sorted(int(x) for x, _ in segment) for segment in one.get_segments()]
        for one in lines
    }


@pytest.mark.slow
def test_the_tie_that_goes_and_the_one_that_comes_are_drawn():
    """Against the observation, which the picture does not look at."""
    trajectory = played("rewiring").trajectory[:, 0]
    obs, matrices = trajectory.obs, as_bools(trajectory.state.society.adjacency, 10)
    asked = np.flatnonzero(obs.requested & ~trajectory.done)
    assert len(asked) > 5
    for step in asked[:12]:
        ties = drawn_ties(trajectory, int(step))
        assert sorted(ties[rewiring.TIE]) == np.argwhere(np.triu(matrices[step])).tolist()
        assert ties[rewiring.CUT] == [sorted((obs.focused[step], obs.partner[step]))]
        action = trajectory.action[step]
        valid = obs.action_mask[step, action]
        assert (rewiring.NEW in ties) == valid
        if valid:
            assert ties[rewiring.NEW] == [sorted((obs.focused[step], action))]


@pytest.mark.parametrize("action", [-1, 10, 99, "focused", "partner"])
def test_nobody_who_cannot_be_tied_to_is_drawn_as_recommended(action):
    """Numbers beyond the users were looked up from the end, or an IndexError."""
    trajectory = played("rewiring").trajectory[:, 0]
    step = int(np.flatnonzero(trajectory.obs.requested)[0])
    number = getattr(trajectory.obs, action)[step] if isinstance(action, str) else action
    given = trajectory.replace(action=np.full_like(trajectory.action, number))
    ties = drawn_ties(given, step)
    assert rewiring.CUT in ties
    assert rewiring.NEW not in ties


def test_whatever_is_observed_the_picture_is_the_same():
    """As a graph of another kind, or flattened by a wrapper."""
    trajectory = played("rewiring").trajectory[:, 0]
    step = int(np.flatnonzero(trajectory.obs.requested)[0])
    assert drawn_ties(trajectory.replace(obs=np.zeros((200, 3))), step) == drawn_ties(trajectory, step)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda env, it: rewiring.animate_episode(env, it, interval=0), "interval must be an integer of at least 1"),
        (lambda env, it: rewiring.draw_step(it, 200, Figure().subplots()), r"step must be within \[0, 199\]"),
        (lambda env, it: rewiring.draw_step(it, -1, Figure().subplots()), r"step must be within \[0, 199\]"),
    ],
)
def test_moments_and_steps_that_are_none_are_refused(draw, message):
    """A step beyond the last was drawn as the last."""
    with pytest.raises(jaxrec.InputError, match=message):
        draw(ENVIRONMENTS["rewiring"], played("rewiring").trajectory[:, 0])


@pytest.mark.parametrize("name", [pytest.param("preference, moving", marks=pytest.mark.slow), "rewiring, moving"])
def test_an_animation_has_a_frame_for_each_step_of_the_first_episode(name, tmp_path):
    from PIL import Image

    env, draw = DRAWN[name]
    trajectory = played(env).trajectory[:, 0]
    length = min(6, int(trajectory.done.argmax()) + 1)
    draw(trajectory[:length]).save(tmp_path / "episode.gif", writer="pillow", dpi=20)
    with Image.open(tmp_path / "episode.gif") as picture:
        assert picture.n_frames == length
    gc.collect()


def test_bits_are_read_as_they_were_packed():
    matrix = np.eye(40, dtype=bool)
    np.testing.assert_array_equal(rewiring.unpacked(as_bits(matrix), 40), matrix)
