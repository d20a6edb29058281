"""Shapes and dtypes in signatures are enforced while the tests run."""

import gc
import os
from importlib.metadata import version
from pathlib import Path

# Nearly all of the time of the default suite is XLA compiling programs that run once; `make slow` optimises them.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
FLAG = "--xla_cpu_use_fusion_emitters=false"
FLAG += " --xla_cpu_prefer_vector_width=256 --xla_backend_optimization_level=2"  # of commands as of tests
FLAG += " --xla_backend_extra_options=-unroll-full-max-count=4"  # too
flags = os.environ.get("XLA_FLAGS", "")
if (
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] == "1"
    and FLAG not in flags
    and version("jaxlib").startswith("0.10.")  # tried there: XLA ends the process at a flag that it has not
):
    os.environ["XLA_FLAGS"] = f"{flags} {FLAG}".strip()
# Tracing makes many small objects that live on: by default the collector goes through all of them again and again.
gc.set_threshold(200_000, 100, 100)
# What was compiled once is read again, by later runs of the tests and by the processes that they start.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).resolve().parents[1] / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")

import jaxtyping  # noqa: E402
import pytest  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

# Nothing here imports the library at once: the process that only hands out tests begins seconds earlier.

install_import_hook("jaxrec", "typechecking.checked")

pytest.register_assert_rewrite("run_folders", "societies")

PAGES, MAPS = Path("/proc/self/statm"), Path("/proc/self/maps")
MAX_RESIDENT, MAX_MAPS = 8_000_000_000, 50_000  # bytes; pieces of memory, of which a process may map 65 530


LONGEST = ("core/test_environment.py", "experiments/test_configuration.py", "system/test_pages.py")


def pytest_collection_modifyitems(items):
    """Begins with the longest files, so that in the end no worker waits long for another."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONGEST))


@pytest.fixture
def polarising():
    import jaxrec

    return jaxrec.make("PolarisingUsers-v0")


@pytest.fixture(scope="session")
def small():
    """A society small enough for brute force: (environment, parameters)."""
    from jaxrec.envs.polarising import PolarisingUsers

    env = PolarisingUsers(horizon=4)
    return env, env.default_params


@pytest.fixture
def untyped():
    """Lets values of a wrong type through to the code's own checks."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=True, scope="module")
def _memory_of_a_module():
    """Gives back what modules compiled once it is much: each of two processes comes to hold 5 GB of programs."""
    yield
    if not PAGES.exists() or resident() > MAX_RESIDENT or MAPS.read_bytes().count(b"\n") > MAX_MAPS:
        clear()


@pytest.fixture(autouse=True)
def _maps_of_memory(request):
    """Gives back what a slow test compiled: a process may map 65 530 pieces of memory, and XLA dies of one more."""
    yield
    if request.node.get_closest_marker("slow"):
        clear()


def resident():
    """Bytes of this process that are in memory."""
    return int(PAGES.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def clear():
    import jax

    jax.clear_caches()


@pytest.fixture
def key():
    import jax

    return jax.random.key(0)
