"""Logs: what is written is read back, what cannot be right is refused, and simulated users are those of the paper."""

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxrec
from jaxrec.envs.preference import PreferenceShift, RandomSlate
from jaxrec.estimation import dataset
from jaxrec.estimation.log_files import read_logs, write_logs
from jaxrec.estimation.logs import Logs

USERS, STEPS = 2000, 10
SCHEMA = pa.schema(
    {
        "user": pa.int64(),
        "step": pa.int32(),
        "slate": pa.list_(pa.float32(), 36),
        "choice": pa.int32(),
        "policy": pa.string(),
    },
    metadata={"jaxrec.logs": "1"},
)


@pytest.fixture(scope="module")
def generated():
    return jax.tree.map(np.asarray, dataset.generate(jax.random.key(0), num_users=USERS))


def logs_of(lengths, seed=0, policies=("first", "second")):
    """Legal logs of users who stay for `lengths` steps."""
    rng = np.random.default_rng(seed)
    valid = np.arange(max(lengths)) < np.asarray(lengths)[:, None]
    slates = rng.dirichlet(np.full(36, 0.3), valid.shape).astype(np.float32)
    choices = slates.argmax(axis=-1).astype(np.int32)
    policy = rng.integers(len(policies), size=len(lengths)).astype(np.int32)
    return Logs(
        slates=np.where(valid[..., None], slates, np.float32(1 / 36)),
        choices=np.where(valid, choices, 0),
        valid=valid,
        policy=policy,
        policies=policies,
    )


def assert_same(read, written):
    for name in ("slates", "choices", "valid"):
        ours, theirs = np.asarray(getattr(read, name)), np.asarray(getattr(written, name))
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert np.asarray(read.policy).dtype == np.int32
    names = [[logs.policies[number] for number in np.asarray(logs.policy)] for logs in (read, written)]
    assert names[0] == names[1]
    assert list(read.policies) == list(dict.fromkeys(names[1]))


def columns(lengths=(2, 3)):
    """Legal columns of a file, to spoil."""
    logs = logs_of(lengths)
    user, step = np.nonzero(logs.valid)
    return {
        "user": list(10 + user),
        "step": list(step),
        "slate": logs.slates[user, step].tolist(),
        "choice": list(logs.choices[user, step]),
        "policy": [f"policy {number}" for number in user],
    }


def write(path, given, schema=SCHEMA):
    pq.write_table(pa.table(given, schema=schema), path)
    return path


def test_what_is_written_is_read_back(tmp_path, generated):
    logs, _ = generated
    write_logs(tmp_path / "logs.parquet", logs)
    read = read_logs(tmp_path / "logs.parquet")
    assert_same(read, logs)
    assert (read.num_users, read.num_steps) == (USERS, STEPS)
    assert (tmp_path / "logs.parquet").stat().st_size < 0.05 * logs.slates.nbytes
    assert [path.name for path in tmp_path.iterdir()] == ["logs.parquet"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_legal_logs_survive_a_file(tmp_path_factory, lengths, seed):
    path, logs = tmp_path_factory.mktemp("logs") / "logs.parquet", logs_of(lengths, seed, ("a", "b", "c"))
    write_logs(path, logs)
    assert_same(read_logs(path), logs)


def test_a_file_says_nothing_of_preferences(tmp_path, generated):
    write_logs(tmp_path / "logs.parquet", generated[0])
    schema = pq.read_schema(tmp_path / "logs.parquet")
    assert schema.equals(SCHEMA)
    assert schema.metadata == SCHEMA.metadata


def test_rows_may_be_in_any_order_and_types_wider(tmp_path):
    given = columns((3, 1, 4))
    expected = read_logs(write(tmp_path / "sorted.parquet", given))
    shuffled = np.random.default_rng(0).permutation(8)
    mixed = {name: [column[row] for row in shuffled] for name, column in given.items()}
    schema = pa.schema(
        {
            "user": pa.int32(),
            "step": pa.uint64(),
            "slate": pa.large_list(pa.float64()),
            "choice": pa.int8(),
            "policy": pa.dictionary(pa.int32(), pa.string()),
            "clicked": pa.bool_(),
        },
        metadata=SCHEMA.metadata,
    )
    read = read_logs(write(tmp_path / "mixed.parquet", mixed | {"clicked": [True] * 8}, schema))
    assert_same(read, expected)
    assert read.policies == ("policy 0", "policy 1", "policy 2")
    assert [row.sum() for row in np.asarray(read.valid)] == [3, 1, 4]


WIDTHS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
FLOATS, LISTS = (pa.float32(), pa.float64()), (lambda kind: pa.list_(kind, 36), pa.list_, pa.large_list)
STRINGS = (
    pa.string(), pa.large_string(), pa.string_view(),
    *(pa.dictionary(getattr(pa, width)(), pa.string()) for width in WIDTHS),
    pa.dictionary(pa.uint32(), pa.large_string()),
)  # fmt: skip


def write_elsewhere(path, given, schema, version="1", **options):
    """As polars, duckdb and Rust do: the version is in the footer, and the Arrow schema, if any is kept, has none."""
    rows = options.pop("row_group_size", None)
    with pq.ParquetWriter(path, schema.remove_metadata(), **options) as writer:
        writer.write_table(pa.table(given, schema=schema).replace_schema_metadata(None), rows)
        writer.add_key_value_metadata({"jaxrec.logs": version})
    return path


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_files_of_other_tools_are_read_as_our_own(tmp_path_factory, data):
    """Whatever widths, lists, strings, order of columns and row groups they choose, with an Arrow schema or without."""
    folder, given = tmp_path_factory.mktemp("logs"), columns((3, 1, 4))
    expected = read_logs(write(folder / "ours.parquet", given))

    def draw(*choices):
        return data.draw(st.sampled_from(choices))

    kinds = {name: getattr(pa, draw(*WIDTHS))() for name in ("user", "step", "choice")}
    kinds |= {"slate": draw(*LISTS)(draw(*FLOATS)), "policy": draw(*STRINGS), "__index_level_0__": pa.int64()}
    order = data.draw(st.permutations(list(kinds)))
    schema = pa.schema([(name, kinds[name]) for name in order])
    options = {
        "store_schema": draw(True, False),
        "row_group_size": draw(1, 3, 100),
        "data_page_version": draw("1.0", "2.0"),
        "use_dictionary": draw(True, False),
        "compression": draw("snappy", "zstd", "none"),
    }
    theirs = {name: (given | {"__index_level_0__": list(range(8))})[name] for name in order}
    assert_same(read_logs(write_elsewhere(folder / "theirs.parquet", theirs, schema, **options)), expected)


def test_rows_are_counted_through_all_row_groups(tmp_path):
    given = columns()
    put("choice", 4, 36)(given)
    path = write_elsewhere(tmp_path / "logs.parquet", given, SCHEMA, row_group_size=2)
    with pytest.raises(jaxrec.InputError, match=r"'choice' must be within \[0, 35\], got 36 in row 4"):
        read_logs(path)


@pytest.mark.parametrize("store_schema", [True, False])
def test_another_version_in_the_footer_is_refused(store_schema, tmp_path):
    path = write_elsewhere(tmp_path / "logs.parquet", columns(), SCHEMA, "2", store_schema=store_schema)
    with pytest.raises(jaxrec.InputError, match=r"'jaxrec.logs' must be '1', got '2'"):
        read_logs(path)


def test_a_file_that_names_two_versions_is_refused(tmp_path):
    with pq.ParquetWriter(tmp_path / "logs.parquet", SCHEMA) as writer:
        writer.write_table(pa.table(columns(), schema=SCHEMA))
        writer.add_key_value_metadata({"jaxrec.logs": "2"})
    with pytest.raises(jaxrec.InputError, match=r"'jaxrec.logs' must be '1', got '1' and '2'"):
        read_logs(tmp_path / "logs.parquet")


def test_users_who_left_are_padded(tmp_path):
    read = read_logs(write(tmp_path / "logs.parquet", columns((1, 3))))
    np.testing.assert_array_equal(read.valid, [[True, False, False], [True, True, True]])
    np.testing.assert_array_equal(read.slates[0, 1:], np.float32(1 / 36))
    np.testing.assert_array_equal(read.choices[0, 1:], 0)


def test_logs_are_split_by_users():
    logs = logs_of((2, 3, 1, 2))
    first, others = logs.split(3)
    assert (first.num_users, others.num_users) == (3, 1)
    np.testing.assert_array_equal(np.concatenate([first.slates, others.slates]), logs.slates)
    np.testing.assert_array_equal(others.policy, logs.policy[3:])
    for first in (0, 4):
        with pytest.raises(jaxrec.InputError, match="first must be within"):
            logs.split(first)


def put(name, row, value):
    """A change of one value in a file."""
    return lambda given: given[name].__setitem__(row, value)


def even(bins):
    """The slate of some items alone."""
    return [1 / len(bins) if item in bins else 0.0 for item in range(36)]


def slate(*spoiled):
    return [*spoiled, *even(range(36))[len(spoiled) :]]


BAD_ROWS = {
    "no rows": (lambda given: [column.clear() for column in given.values()], "at least one row, got none"),
    "null": (put("choice", 3, None), "'choice' must have no nulls, got null in row 3"),
    "null slate": (put("slate", 1, None), "'slate' must have no nulls, got null in row 1"),
    "null item": (put("slate", 2, slate(None)), "'slate' must have no nulls, got null in row 2"),
    "choice too high": (put("choice", 4, 36), r"'choice' must be within \[0, 35\], got 36 in row 4"),
    "choice too low": (put("choice", 0, -1), r"'choice' must be within \[0, 35\], got -1 in row 0"),
    "negative": (put("slate", 2, slate(-0.5, 0.5)), "'slate' must be non-negative, got -0.5 in row 2"),
    "NaN": (put("slate", 1, slate(float("nan"))), "'slate' must be non-negative, got nan in row 1"),
    "infinite": (put("slate", 1, slate(float("inf"))), "'slate' must sum to 1 within 0.0001, got inf in row 1"),
    "sum": (put("slate", 3, slate(0.5 + 1 / 36)), "'slate' must sum to 1 within 0.0001, got 1.5.* in row 3"),
    "never shown": (
        lambda given: (put("slate", 3, even([4, 5]))(given), put("choice", 3, 6)(given)),
        "'choice' must have a probability above 0 in its slate, got choice 6 with 0 in row 3",
    ),
    "repeated step": (put("step", 3, 0), "'step' must be 0, 1.* got step 0 again for user 11 in row 3"),
    "missing step": (put("step", 4, 3), "'step' must be 0, 1.* got step 3 instead of 2 for user 11 in row 4"),
    "late start": (put("user", 4, 12), "'step' must be 0, 1.* got step 2 instead of 0 for user 12 in row 4"),
    "negative step": (put("step", 0, -1), "'step' must be 0, 1.* got step -1 instead of 0 for user 10 in row 0"),
    "two policies": (
        put("policy", 1, "other"),
        "'policy' must be one for each user, got 'other' after 'policy 0' for user 10 in row 1",
    ),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_bad_rows_are_refused(name, tmp_path):
    spoil, message = BAD_ROWS[name]
    given = columns()
    spoil(given)
    with pytest.raises(jaxrec.InputError, match=message) as error:
        read_logs(write(tmp_path / "logs.parquet", given))
    assert str(error.value).startswith(str(tmp_path / "logs.parquet"))


def test_slates_of_another_length_are_refused(tmp_path):
    given = columns()
    given["slate"][2] = given["slate"][2][:-1]
    schema = SCHEMA.set(2, pa.field("slate", pa.list_(pa.float32())))
    with pytest.raises(jaxrec.InputError, match="'slate' must have 36 items, got 35 in row 2"):
        read_logs(write(tmp_path / "logs.parquet", given, schema))


BAD_SCHEMAS = {
    "no version": (SCHEMA.remove_metadata(), "'jaxrec.logs' must be '1', got none"),
    "other version": (SCHEMA.with_metadata({"jaxrec.logs": "2"}), "'jaxrec.logs' must be '1', got '2'"),
    "no column": (SCHEMA.remove(3), "must have one column 'choice', got 0 among user, step, slate, policy"),
    "type": (SCHEMA.set(3, pa.field("choice", pa.float32())), "column 'choice' must be int32, got float"),
    "type of policy": (SCHEMA.set(4, pa.field("policy", pa.binary())), "column 'policy' must be string, got binary"),
    "type of slate": (SCHEMA.set(2, pa.field("slate", pa.list_(pa.int32()))), "column 'slate' must be fixed_size_list"),
}


@pytest.mark.parametrize("name", BAD_SCHEMAS)
def test_bad_schemas_are_refused(name, tmp_path):
    schema, message = BAD_SCHEMAS[name]
    pq.write_table(pa.table([pa.nulls(1, field.type) for field in schema], schema=schema), tmp_path / "logs.parquet")
    with pytest.raises(jaxrec.InputError, match=message):
        read_logs(tmp_path / "logs.parquet")


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(jaxrec.InputError, match=r"nothing.parquet'.* no such file"):
        read_logs(tmp_path / "nothing.parquet")
    (tmp_path / "text.parquet").write_text("user,step\n")
    with pytest.raises(jaxrec.InputError, match="cannot be read as Parquet"):
        read_logs(str(tmp_path / "text.parquet"))
    whole = write(tmp_path / "whole.parquet", columns()).read_bytes()
    (tmp_path / "torn.parquet").write_bytes(whole[:20] + bytes(200) + whole[220:])
    with pytest.raises(jaxrec.InputError, match="cannot be read as Parquet"):
        read_logs(tmp_path / "torn.parquet")


BAD_LOGS = {
    "gap": ({"valid": np.array([[True, False, True]] * 2)}, "step 2 instead of 1 for user 0"),
    "no step": ({"valid": np.array([[True] * 3, [False] * 3])}, "got none of user 1"),
    "choice": ({"choices": np.full((2, 3), 40)}, "logs: column 'choice' must be within"),
    "slates": ({"slates": np.full((2, 3, 35), 1 / 35)}, r"slates must have shape \[2, 3, 36\]"),
    "policy": ({"policy": np.array([0, 2])}, r"policy must be within \[0, 1\]"),
}


@pytest.mark.parametrize("name", BAD_LOGS)
def test_what_could_not_be_read_is_not_written(name, tmp_path):
    changes, message = BAD_LOGS[name]
    with pytest.raises(jaxrec.InputError, match=message):
        write_logs(tmp_path / "logs.parquet", logs_of((3, 3)).replace(**changes))
    assert not list(tmp_path.iterdir())


def test_files_are_never_overwritten(tmp_path):
    write_logs(str(tmp_path / "logs.parquet"), logs_of((1,)))
    with pytest.raises(jaxrec.InputError, match="exists, and is not overwritten"):
        write_logs(tmp_path / "logs.parquet", logs_of((2,)))
    with pytest.raises(jaxrec.InputError, match="there is no folder"):
        write_logs(tmp_path / "no" / "logs.parquet", logs_of((2,)))
    assert read_logs(tmp_path / "logs.parquet").num_steps == 1


# Simulated users


def plain_distance(a, b):
    d = np.abs(a - b) % 360
    return np.minimum(d, 360 - d)


DEGREES = 10 * np.arange(36)


def plain_slates():
    densities = [np.exp(-((plain_distance(DEGREES, mean) / s) ** 2) / 2) for s in (30, 60) for mean in DEGREES]
    return np.array([*(density / density.sum() for density in densities), np.full(36, 1 / 36)])


def shown(logs):
    """int[users, steps]: which of the 73 slates."""
    distance = np.abs(logs.slates[:, :, None, :] - plain_slates().astype(np.float32)).max(axis=-1)
    assert distance.min(axis=-1).max() < 1e-6
    return distance.argmin(axis=-1)


def test_slates_are_shown_as_often_as_the_paper_says(generated):
    logs, _ = generated
    assert logs.valid.all()
    assert logs.policies == ("varied", "mostly-uniform")
    np.testing.assert_array_equal(np.bincount(logs.policy), [USERS / 2, USERS / 2])
    np.testing.assert_array_equal(np.bincount(logs.split(USERS * 3 // 4)[1].policy), [USERS / 8, USERS / 8])
    number = shown(logs)
    for policy, uniform in ((0, 0.0), (1, 0.8)):
        counts = np.bincount(number[logs.policy == policy].ravel(), minlength=73)
        total = counts.sum()
        assert abs(counts[72] - uniform * total) <= 4 * np.sqrt(uniform * (1 - uniform) * total)
        each = counts[:72].sum() / 72
        chi_square = ((counts[:72] - each) ** 2 / each).sum()
        assert abs(chi_square - 71) < 4 * np.sqrt(2 * 71)
    repeated = (number[:, 1:] == number[:, :-1])[logs.policy == 0]
    assert abs(repeated.mean() - 1 / 72) < 4 * np.sqrt(1 / 72 / repeated.size)  # each step anew


def test_users_choose_as_the_paper_says(generated):
    """P(x | s, u) in proportion to s(x) exp(beta_c(u) cos(x - u)); against how often each item and offset is chosen."""
    logs, truth = generated
    first = 0.9 * np.exp(-((plain_distance(DEGREES, 80) / 22) ** 2) / 2)
    sharpness = 0.1 + first + 3.9 * np.exp(-((plain_distance(DEGREES, 270) / 15) ** 2) / 2)
    for policy in (0, 1):
        mine = logs.policy == policy
        user, slates = truth.preferences[mine, :-1].ravel(), logs.slates[mine].reshape(-1, 36)
        choices = logs.choices[mine].ravel()
        offset = (np.arange(36) - user[:, None]) % 36
        weights = slates * np.exp(sharpness[user][:, None] * np.cos(np.radians(10 * offset)))
        chances = weights / weights.sum(axis=1, keepdims=True)
        by_offset = np.take_along_axis(chances, (np.arange(36) + user[:, None]) % 36, axis=1)
        for chance, chosen in ((chances, choices), (by_offset, (choices - user) % 36)):
            error = np.bincount(chosen, minlength=36) - chance.sum(axis=0)
            assert (np.abs(error) < 4.5 * np.sqrt((chance * (1 - chance)).sum(axis=0))).all()


def test_users_shift_as_the_paper_says(generated):
    logs, truth = generated
    assert truth.preferences.shape == truth.natural.shape == (USERS, STEPS + 1)
    np.testing.assert_array_equal(truth.preferences[:, 0], truth.natural[:, 0])
    initial = 10.0 * truth.preferences[:, 0]
    assert initial.mean() == pytest.approx(130, abs=4 * 20 / np.sqrt(USERS))
    assert initial.std() == pytest.approx(20, abs=2)
    assert (plain_distance(10 * truth.natural[:, -1], 80) <= 40).mean() == pytest.approx(0.95, abs=0.025)
    number = shown(logs)
    for step in range(STEPS):  # twins stay together as long as both see uniform slates
        alone = (number[:, : step + 1] == 72).all(axis=1)
        np.testing.assert_array_equal(truth.preferences[alone, step + 1], truth.natural[alone, step + 1])
    assert (truth.preferences[:, 1:] != truth.natural[:, 1:]).mean() > 0.3


def test_nothing_is_compiled_twice(generated):
    params = PreferenceShift().default_params
    cached = dataset._generate.compiled._cache_size()
    logs, truth = dataset.generate(jax.random.key(1), params.replace(influence=0.0), USERS, PreferenceShift())
    assert dataset._generate.compiled._cache_size() == cached
    np.testing.assert_array_equal(truth.preferences, truth.natural)
    assert not np.array_equal(logs.choices, generated[0].choices)
    again, _ = dataset.generate(jax.random.key(0), num_users=USERS)
    np.testing.assert_array_equal(again.choices, generated[0].choices)


def test_an_odd_number_of_users_is_what_was_asked_for(key):
    logs, truth = jax.eval_shape(lambda key: dataset.generate(key, num_users=3), key)
    assert logs.slates.shape == (3, STEPS, 36)
    assert {leaf.shape[0] for leaf in jax.tree.leaves((logs, truth))} == {3}


def test_any_policy_can_be_logged(tmp_path, key):
    env = PreferenceShift(horizon=3, observe_as="state")
    logs, truth = dataset.record(env, RandomSlate(env.slates), key, 5, name="random")
    assert (logs.num_users, logs.num_steps, logs.policies) == (5, 3, ("random",))
    assert truth.preferences.shape == (5, 4)
    distance = jnp.abs(logs.slates[:, :, None] - env.slates).max(axis=-1)
    assert distance.min(axis=-1).max() < 1e-6
    assert len(np.unique(distance.argmin(axis=-1))) > 2
    write_logs(tmp_path / "logs.parquet", logs)
    assert_same(read_logs(tmp_path / "logs.parquet"), logs)


def test_bad_requests_are_refused(key, untyped):
    env = PreferenceShift(observe_as="state")
    with pytest.raises(jaxrec.InputError, match="num_users"):
        dataset.generate(key, num_users=0)
    with pytest.raises(jaxrec.InputError, match="influence"):
        dataset.generate(key, env.default_params.replace(influence=2.0))
    with pytest.raises(jaxrec.InputError, match="init"):
        dataset.record(env, "random", key, 5)
