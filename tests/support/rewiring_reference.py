"""The rewiring game in plain Python: every rule once more, from the text of the specification.

`outcomes` lists all that one time-step can lead to, with probabilities; `step` follows the one that given random words
pick. Nothing here is shared with the package.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple


class State(NamedTuple):
    """adjacency: a frozenset of neighbours a user; cooperates: a bool a user; kinds: whose recommender each has."""

    adjacency: tuple
    cooperates: tuple
    kinds: tuple


class Happened(NamedTuple):
    """What a time-step was."""

    opportunity: bool
    request: bool
    rewire: bool


@dataclass(frozen=True)
class Game:
    """Parameters; `heuristics` is a (name, exclusive) for each kind. `second` is W2, None without competition."""

    preset: str
    beta: float = 0.1
    temptation: float = 2.0
    sucker: float = -1.0
    timescale: float = 1.0
    influence: float = 1.0
    second: float | None = None
    second_beta: float = 0.05
    heuristics: tuple = field(default=(("random", False),))


NOTHING = Happened(False, False, False)


def society(ties, cooperates, kinds=None):
    """The state with these ties."""
    adjacency = [set() for _ in cooperates]
    for a, b in ties:
        adjacency[a].add(b)
        adjacency[b].add(a)
    kinds = (0,) * len(cooperates) if kinds is None else tuple(kinds)
    return State(tuple(map(frozenset, adjacency)), tuple(bool(c) for c in cooperates), kinds)


def fermi(difference, beta):
    return 1 / (1 + math.exp(-beta * difference))


def payoff(mine, theirs, game):
    if mine:
        return 1.0 if theirs else game.sucker
    return game.temptation if theirs else 0.0


def of_goods(state, user, by_player, factor=2.3):
    """The payoff of a user from its group and those of its neighbours."""
    group = [near | {each} for each, near in enumerate(state.adjacency)]
    gives = [1 / len(group[each]) if by_player else 1.0 for each in range(len(group))]
    total = 0.0
    for one in group[user]:
        pot = factor * sum(gives[member] for member in group[one] if state.cooperates[member])
        total += pot / len(group[one]) - gives[user] * state.cooperates[user]
    return total


def fitness(state, user, game):
    near = state.adjacency[user]
    if game.preset.startswith("goods"):
        return of_goods(state, user, game.preset == "goods by player")
    total = sum(payoff(state.cooperates[user], state.cooperates[n], game) for n in near)
    return total / max(len(near), 1) if game.preset == "average" else total


def imitation(state, x, y, game, beta):
    """The probability that x copies y."""
    difference = fitness(state, y, game) - fitness(state, x, game)
    return fermi(
        max(0.0, difference) if game.preset in ("carvalho", "average", "goods", "goods by player") else difference, beta
    )


def gate(state, x, y, game):
    """The probability that x wins a structural update against y."""
    if game.preset == "santos":
        return fermi(fitness(state, x, game) - fitness(state, y, game), game.beta)
    return imitation(state, x, y, game, game.beta)


def pool(state, actor, partner, game, follows=True):
    """Whom the actor may be tied to instead of the partner, in ascending order."""
    name, exclusive = game.heuristics[state.kinds[actor]] if follows else ("local", False)
    users = range(len(state.cooperates))
    eligible = [z for z in users if z != actor and z not in state.adjacency[actor]]
    if name == "null":
        return []
    if name == "local":
        return [z for z in eligible if z in state.adjacency[partner]]
    if exclusive:
        eligible = [z for z in eligible if state.kinds[z] == state.kinds[actor]]
    if name == "fair":
        return [z for z in eligible if state.cooperates[z] == state.cooperates[actor]]
    if name == "good" or name.endswith("cooperators"):
        eligible = [z for z in eligible if state.cooperates[z]]
    if name == "bad" or name.endswith("defectors"):
        eligible = [z for z in eligible if not state.cooperates[z]]
    for side, extreme in (("low", min), ("high", max)):
        if name.startswith(side) and eligible:
            wanted = extreme(len(state.adjacency[z]) for z in eligible)
            eligible = [z for z in eligible if len(state.adjacency[z]) == wanted]
    return eligible


def moved(state, actor, partner, new):
    """The tie (actor, partner) becomes (actor, new)."""
    adjacency = list(state.adjacency)
    adjacency[actor] = adjacency[actor] - {partner} | {new}
    adjacency[partner] = adjacency[partner] - {actor}
    adjacency[new] = adjacency[new] | {actor}
    return state._replace(adjacency=tuple(adjacency))


def copied(values, x, y):
    return (*values[:x], values[y], *values[x + 1 :])


def copy_strategy(state, x, y):
    return state._replace(cooperates=copied(state.cooperates, x, y))


def actor_of(state, x, y, won, game):
    """(who rewires, its partner) once x has won against y or lost, or None."""
    if game.preset == "santos":
        winner, loser = (x, y) if won else (y, x)
        return None if state.cooperates[loser] else (winner, loser)
    if state.cooperates[y]:
        return None
    if won:
        return x, y
    return None if state.cooperates[x] else (y, x)


def is_request(state, x, y, game):
    dissatisfied = not state.cooperates[y]
    return dissatisfied or (game.preset == "santos" and not state.cooperates[x])


def rewirings(state, actor, partner, game):
    """[(probability, state, whether a tie moved)] for an actor that is free to rewire."""
    results = []
    for follows, chance in ((True, game.influence), (False, 1 - game.influence)):
        if not chance:
            continue
        candidates = pool(state, actor, partner, game, follows)
        if not candidates or len(state.adjacency[partner]) < 2:
            results.append((chance, state, False))
        else:
            results += [(chance / len(candidates), moved(state, actor, partner, z), True) for z in candidates]
    return results


def event_probabilities(game):
    """(recommender update, strategy update, structural update)."""
    adopting = 0.0
    if game.second is not None:
        adopting = 1.0 if math.isinf(game.second) else game.second / (1 + game.second)
    strategy = 0.0 if math.isinf(game.timescale) else (1 - adopting) / (1 + game.timescale)
    return adopting, strategy, 1 - adopting - strategy


def outcomes(state, game):
    """Yields (probability, next state, Happened); equal outcomes may come more than once."""
    users = range(len(state.cooperates))
    pairs = [(1 / len(users) / len(state.adjacency[x]), x, y) for x in users for y in state.adjacency[x]]
    lonely = sum(1 / len(users) for x in users if not state.adjacency[x])
    if game.preset == "learning":
        yield lonely, state, Happened(True, False, False)
        for chance, x, y in pairs:
            request = not state.cooperates[y]
            branches = rewirings(state, x, y, game) if request else [(1.0, state, False)]
            for branch, after, rewired in branches:
                p = imitation(after, x, y, game, game.beta)
                happened = Happened(True, request, rewired)
                yield chance * branch * p, copy_strategy(after, x, y), happened
                yield chance * branch * (1 - p), after, happened
        return
    adopting, strategy, structural = event_probabilities(game)
    yield (adopting + strategy) * lonely, state, NOTHING
    for chance, x, y in pairs:
        p = imitation(state, x, y, game, game.beta)
        yield strategy * chance * p, copy_strategy(state, x, y), NOTHING
        yield strategy * chance * (1 - p), state, NOTHING
        if adopting:
            p = imitation(state, x, y, game, game.second_beta)
            yield adopting * chance * p, state._replace(kinds=copied(state.kinds, x, y)), NOTHING
            yield adopting * chance * (1 - p), state, NOTHING
    if game.preset == "santos":
        chance = 1 / sum(map(len, state.adjacency))
        pairs, lonely = [(chance, x, y) for _, x, y in pairs], 0.0
    yield structural * lonely, state, Happened(True, False, False)
    for chance, x, y in pairs:
        request = is_request(state, x, y, game)
        p = gate(state, x, y, game)
        for won, branch in ((True, p), (False, 1 - p)):
            acting = actor_of(state, x, y, won, game)
            results = rewirings(state, *acting, game) if acting else [(1.0, state, False)]
            for share, after, rewired in results:
                yield structural * chance * branch * share, after, Happened(True, request, rewired)


# The same rules, led by the three random words of a time-step.


def choose(word, n):
    return word * n >> 32, word * n & 0xFFFFFFFF


def uniform(word):
    return (word >> 8) / 2**24


class Ambiguous(Exception):  # noqa: N818
    """A draw lies so near its threshold that single precision may decide either way."""


def below(draw, threshold):
    if 0 < threshold < 1 and abs(draw - threshold) < 1e-5:
        raise Ambiguous
    return draw < threshold


def step(state, game, words, edges=None):  # noqa: C901
    """(next state, Happened) given the words; `edges` is the list of ties where the preset draws ties."""
    first, second, third = map(int, words)
    users, chance = len(state.cooperates), uniform(second)
    structural = True
    adopting = False
    if game.preset != "learning":
        p_adopt, p_strategy, p_structural = event_probabilities(game)
        adopting = below(chance, p_adopt)
        structural = not adopting and not below(chance, p_adopt + p_strategy)
        start, width = (
            (0, p_adopt) if adopting else (p_adopt + p_strategy, p_structural) if structural else (p_adopt, p_strategy)
        )
        chance = (chance - start) / width
    x, left = choose(first, users)
    pair = None
    if game.preset == "santos" and structural:
        tie, turn = choose(first, len(edges))
        pair = tuple(edges[tie]) if turn < 2**31 else tuple(edges[tie])[::-1]
        x = pair[0]
    nothing = Happened(structural, False, False)
    if not state.adjacency[x]:
        return state, nothing
    rank, coin = choose(left, len(state.adjacency[x]))
    y = pair[1] if pair else sorted(state.adjacency[x])[rank]
    coin = turn << 1 & 0xFFFFFFFF if pair else coin  # the first word has drawn the tie already

    def rewired(actor, partner):
        candidates = pool(state, actor, partner, game, uniform(coin) < game.influence)
        if not candidates or len(state.adjacency[partner]) < 2:
            return state, False
        return moved(state, actor, partner, candidates[choose(third, len(candidates))[0]]), True

    if game.preset == "learning":
        request = not state.cooperates[y]
        after, did = rewired(x, y) if request else (state, False)
        if below(chance, imitation(after, x, y, game, game.beta)):
            after = copy_strategy(after, x, y)
        return after, Happened(True, request, did)
    if adopting:
        if below(chance, imitation(state, x, y, game, game.second_beta)):
            state = state._replace(kinds=copied(state.kinds, x, y))
        return state, nothing
    if not structural:
        if below(chance, imitation(state, x, y, game, game.beta)):
            state = copy_strategy(state, x, y)
        return state, nothing
    acting = actor_of(state, x, y, below(chance, gate(state, x, y, game)), game)
    after, did = rewired(*acting) if acting else (state, False)
    return after, Happened(True, is_request(state, x, y, game), did)
