"""What README and the pages of the site say: their code runs as printed, and their commands are ones that there are."""

import hashlib
import re
import runpy
import shlex
import sys
from unittest import mock

import pytest
from paths import ROOT

from jaxrec import cli, registration
from jaxrec.cli import rollouts, studies
from jaxrec.experiments import Study
from jaxrec.experiments.runs.folder import RunFolder
from jaxrec.runtime import compilation_cache, processes

DOCS = ROOT / "docs"
REPORTS = "docs/results/*/*.md"  # which runs wrote
PAGES = [ROOT / "README.md", *sorted(set(DOCS.rglob("*.md")) - set(ROOT.glob(REPORTS)))]
BLOCK = re.compile(
    r'^(?:<!-- (continues|needs [\w ]+) -->\n)?```python(?: title="([\w.]+)")?\n(.*?)^```', re.MULTILINE | re.DOTALL
)
SLOW = (  # blocks that compile for long
    "learn_users(",
    "GAT()",
    "Ranking(NodeMLP())",
    "audit(",
    "api_test(",
    "sweep(",
    "class MeanReward",
    "class TakeTurns",
    "lambda utilities",
    "estimate_value(",
    "BatchQ(",
    "deploy(",
    "UncertainReward(",
    "rejax.PPO",
    "learn(400_000)",
    "exact.optimal(",
)


def files(page):
    """The files that the reader of a page saves: blocks with a title."""
    return {title: script for _, title, script in BLOCK.findall(page.read_text()) if title}


def scripts_of(page):
    """What a page runs, and the modules that this needs. A block that continues is run after the one before it."""
    found = []
    for note, title, script in BLOCK.findall(page.read_text()):
        if note == "continues":
            found[-1] = (found[-1][0] + script, found[-1][1])
        elif not title:
            found.append((script, tuple(note.split()[1:])))
    return found


def marks(text, slow):
    return [pytest.mark.slow] if any(name in text for name in slow) else []


def scripts():
    """Every script once, also one that stands on two pages."""
    found = {}
    for page in PAGES:
        for script, needs in scripts_of(page):
            found.setdefault(script, (page, needs))
    for script, (page, needs) in found.items():
        name = f"{page.stem}-{hashlib.sha1(script.encode()).hexdigest()[:6]}"
        yield pytest.param(page, script, needs, id=name, marks=marks(script, SLOW))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Puts a reader in an empty folder with the files of a page; what they register is forgotten afterwards."""
    saved = []

    def read(page):
        for name, script in files(page).items():
            (tmp_path / name).write_text(script)
            saved.append(name.removesuffix(".py"))

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registration, "_FACTORIES", dict(registration._FACTORIES))
    yield read
    for module in saved:
        sys.modules.pop(module, None)


@pytest.mark.parametrize(("page", "script", "needs"), list(scripts()))
def test_code_of_pages_runs_as_printed(page, script, needs, here):
    """In this process, which has most of what a block needs compiled already."""
    for module in needs:
        pytest.importorskip(module)
    here(page)
    exec(compile(script, page.name, "exec"), {"__name__": "__main__"})


def typed(page, program):
    """The lines of code of a page that begin with `program`."""
    return re.findall(rf"^    ({program} .*)$", page.read_text(), re.MULTILINE)


def commands(page):
    """Every use of the command jaxrec on a page, also in its text, and what is given to it; comments are none of it."""
    lines = typed(page, "jaxrec")
    lines += [" ".join(code.split()) for code in re.findall("`(jaxrec [^`]+)`", page.read_text())]
    return {line: shlex.split(line, comments=True)[1:] for line in lines}


def own_commands():
    """What is run with the reader's own files."""
    for page in PAGES:
        for name in files(page):
            for line in typed(page, f"python {name}"):
                yield pytest.param(page, line, id=line, marks=marks(line, ["audit", "incentives"]))


@pytest.mark.parametrize(("page", "line"), list(own_commands()))
def test_own_societies_run_from_the_command_line(page, line, here, monkeypatch, capsys):
    here(page)
    _, name, *argv = shlex.split(line, comments=True)
    monkeypatch.setattr(sys, "argv", [name, *argv])
    runpy.run_path(name, run_name="__main__")
    assert "BoredUsers-v0" in capsys.readouterr().out


class Understood(Exception):  # noqa: N818
    """A command came to where it would compute."""


def computing(*args, **options):
    raise Understood


PLACEHOLDERS = {"COMMAND", "NAME", "PRESET", "STUDY"}


@pytest.fixture
def nothing_computes(tmp_path, monkeypatch):
    """Stops every command where it has understood its settings and would begin."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "settings.toml").write_text("seeds = 10")
    for owner, name in (
        (Study, "run"),
        (Study, "resume"),
        (RunFolder, "open"),
        (rollouts, "evaluate"),
        (rollouts, "measure"),
        (studies, "registered_envs"),
        (studies, "reproduce"),
    ):
        monkeypatch.setattr(owner, name, computing)
    monkeypatch.setattr("jaxrec.causal.dependence_of", computing)
    monkeypatch.setattr(studies, "_list_claims", computing)
    monkeypatch.setattr(studies, "tracker", lambda name: mock.Mock())
    monkeypatch.setattr(compilation_cache, "keep_programs", lambda: None)
    monkeypatch.setattr(processes, "initialize", lambda: None)
    for module in ("studies", "learners"):
        monkeypatch.setattr(f"jaxrec.cli.{module}.use_every_core", lambda devices=None: None)


def understood(argv):
    try:
        cli.main(argv)
    except Understood:
        return True
    except SystemExit:
        return False
    return False


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.stem)
def test_commands_of_pages_are_ones_that_there_are(page, nothing_computes):
    for line, argv in commands(page).items():
        if len(argv) == 1 or PLACEHOLDERS & set(argv):
            assert argv[0] in cli.COMMANDS, line
        else:
            assert understood(argv), line


def test_readme_is_read_in_ten_minutes():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 200
    assert "make demo" in text
    assert "make test" in text
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / target).exists(), target


def test_a_society_of_ones_own_takes_under_eighty_lines():
    (script,) = files(DOCS / "own" / "society.md").values()
    assert sum(bool(line.strip()) for line in script.splitlines()) < 80
