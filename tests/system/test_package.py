"""What is shipped, and what it depends on."""

import ast
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from paths import ROOT

PACKAGE = ROOT / "jaxrec"


def modules():
    return {str(path.relative_to(ROOT)) for path in PACKAGE.rglob("*.py")}


def sources():
    """C++, which the user's compiler builds."""
    return {str(path.relative_to(ROOT)) for suffix in ("h", "cc") for path in PACKAGE.rglob(f"*.{suffix}")}


def test_the_wheel_built_from_the_sdist_holds_every_module_and_nothing_else(tmp_path):
    command = [sys.executable, "-m", "build", "--outdir", str(tmp_path), "--no-isolation", str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    shipped = {name for name in names if ".dist-info/" not in name}
    assert shipped == modules() | sources() | {"jaxrec/py.typed"}
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        top_level = {Path(name).parts[1] for name in archive.getnames() if "/" in name}
    assert not {"envs", "agents", "experiments", "tests"} & top_level  # all tests or none: none


def test_no_result_names_a_folder_of_the_machine_that_made_it():
    texts = [path for kind in ("json", "jsonl", "md") for path in (ROOT / "docs" / "results").rglob(f"*.{kind}")]
    found = [path.name for path in texts if re.search(r"[\s\"'`=](/tmp|/home|/root|/work|/Users)/", path.read_text())]
    assert len(texts) > 100
    assert not found


def imports(path):
    """The modules of jaxrec that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        assert not (isinstance(node, ast.ImportFrom) and node.level), "relative imports escape this test"
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("jaxrec"):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("jaxrec"))


LAYERS = ["core", "envs", "agents", "training", "audit", "estimation", "offline", "experiments", "cli"]


def layer(module):
    for name in LAYERS[1:]:
        if module == f"jaxrec.{name}" or module.startswith(f"jaxrec.{name}."):
            return name
    return "cli" if module == "jaxrec.__main__" else "core"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_dependencies_point_downwards(path):
    """Lazy imports too: core knows no society, a society no agent, an agent no society, and training neither."""
    if path == PACKAGE / "__init__.py":
        return  # the public API registers the environments
    mine = layer(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    allowed = {
        "core": {"core"},
        "envs": {"core", "envs"},
        "agents": {"core", "agents"},
        "training": {"core", "training"},
        "audit": {"core", "training", "audit"},
        "estimation": {"core", "envs", "agents", "training", "estimation"},
        "offline": {"core", "envs", "agents", "training", "estimation", "offline"},
        "experiments": set(LAYERS[:8]),
        "cli": set(LAYERS),
    }[mine]
    assert {layer(module) for module in imports(path)} <= allowed


def test_links_at_the_root_point_into_the_package():
    for name in ("envs", "agents", "experiments"):
        link = ROOT / name
        if link.is_file():  # where git cannot make links it writes where they point to
            assert link.read_text() == f"jaxrec/{name}"
        else:
            assert link.is_symlink()
            assert link.resolve() == PACKAGE / name


def test_import_is_light():
    """Nothing that only a study, a picture, a command or a test needs is imported with it; SciPy not with studies."""
    heavy = "{'matplotlib', 'scipy', 'tyro', 'gymnax', 'distrax', 'networkx', 'pandas', 'pyarrow', 'gymnasium'}"
    code = f"""
import sys, jaxrec, jaxrec.cli
print({heavy} & set(sys.modules))
import jaxrec.cli.studies
print({{"scipy.stats", "scipy.optimize"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["set()", "set()"]


DOTTED = re.compile(r"`(jaxrec(?:\.\w+)+)")


def test_dotted_names_of_the_documents_are_there_after_import():
    """In a new process, where no other test has imported anything; a module may need an import, its classes none."""
    changes = {"CHANGELOG.md", "changelog.md"}  # which have names of the past
    pages = [*ROOT.glob("*.md"), *(page for page in (ROOT / "docs").rglob("*.md") if "results" not in page.parts)]
    names = {name for page in pages if page.name not in changes for name in DOTTED.findall(page.read_text())}
    names -= {"jaxrec.logs"}  # metadata of Parquet
    assert len(names) > 30
    code = f"""
import pkgutil, jaxrec

def missing(look_up, name):
    try:
        look_up(name)
    except (AttributeError, ImportError):
        return True

absent = [name for name in {sorted(names)} if missing(eval, name)]  # all before any is imported
print([name for name in absent if name.count(".") == 2 and name.split(".")[2][0].isupper()])
print([name for name in absent if missing(pkgutil.resolve_name, name)])
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "[]"]


NOTEBOOKS = [pytest.param(path, id=path.name) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS)
def test_notebooks_run(path, tmp_path, monkeypatch):
    monkeypatch.setenv("JAXREC_NOTEBOOK_EPISODES", "20000")
    monkeypatch.setenv("MPLBACKEND", "agg")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()


OLD_PYTHON = """#!/bin/sh
exec {python} -c "import sys; sys.version_info = (3, 10, 1); sys.version = '3.10.1 (main)'; exec(sys.argv[1])" "$2"
"""


@pytest.mark.skipif(bool(shutil.which("uv")) or not shutil.which("make"), reason="make without uv")
def test_an_old_python_is_refused_before_anything_is_made(tmp_path):
    python = tmp_path / "python3.10"
    python.write_text(OLD_PYTHON.format(python=sys.executable))
    python.chmod(0o755)
    venv = tmp_path / "venv"
    made = ["make", "-C", str(ROOT), "demo", f"PYTHON={python}", f"VENV={venv}"]
    done = subprocess.run(made, capture_output=True, text=True)
    assert done.returncode != 0
    assert "jaxrec needs Python 3.11 or newer, and " in done.stderr
    assert "is 3.10.1; name another one: make PYTHON=python3.12" in done.stderr
    assert not venv.exists()


def test_documents_name_no_path_of_this_machine():
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *PACKAGE.rglob("*.py")]:
        assert not re.search(r"/(root|tmp|home/\w+)/\w|\.\./shared", path.read_text()), path
