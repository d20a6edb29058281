"""What `structure.py` counts, on code of a few lines; and what it must not find in jaxrec."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

SCRIPT = Path(__file__).with_name("structure.py")
CODE = '''
"""See another module."""

from typing import Any, ClassVar


class Thing:
    """A thing."""

    first: Any
    second: "Any"
    third: int
    of_all: ClassVar[Any] = 0

    def method(self, a: Any, b: int, *rest: Any):
        """Asks.

        Args:
            a: the first.
        """

    @staticmethod
    def alone(a, b, c):
        """As the others."""

    def _hidden(self, a, b, c):
        def within(d, e, f: list[Any]): ...
'''


@pytest.fixture(scope="module")
def measure():
    return runpy.run_path(str(SCRIPT))["measure"]


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "jaxrec").mkdir()
    (tmp_path / "jaxrec" / "thing.py").write_text(CODE)
    (tmp_path / "pyproject.toml").write_text(
        '[[tool.importlinter.contracts]]\nname = "Floors"\nignore_imports = ["a -> b"]\n'
    )
    return tmp_path


def test_shares_and_places_are_counted(measure, checkout):
    found = measure(checkout)
    assert (found.any_parameters.count, found.any_parameters.total) == (2, 12)
    assert (found.any_fields.count, found.any_fields.total) == (2, 3)
    assert (found.with_args_section.count, found.with_args_section.total) == (1, 2)
    assert [place.partition(":")[0] for place in found.bad_docstrings] == ["jaxrec/thing.py"] * 2
    assert found.contract_exceptions == ["Floors: a -> b"]
    assert not found.long_files
    assert not found.long_functions


def test_long_files_and_functions_are_named(measure, checkout):
    (checkout / "jaxrec" / "long.py").write_text("def long():\n" + "    pass\n" * 300)
    found = measure(checkout)
    assert found.long_files == ["jaxrec/long.py (301 lines)"]
    assert found.long_functions == ["jaxrec/long.py:1 long (301 lines)"]


def test_another_checkout_can_be_measured(checkout):
    command = [sys.executable, str(SCRIPT), "--root", str(checkout)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[0] == "parameters annotated Any: 2 of 12 (16.7 %)"


def test_contracts_of_imports_have_no_exceptions(measure):
    assert not measure(ROOT).contract_exceptions
