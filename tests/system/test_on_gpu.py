"""What a GPU owes, in one command; and the kernels that one would launch."""

import subprocess
import sys

import pytest
from paths import ROOT

import jaxrec
from benchmarks import loops, on_gpu
from jaxrec.cli import main
from jaxrec.experiments import Study

PROGRAM = """HloModule jit_f, is_scheduled=true

%step (p: (s32[], f32[8,4])) -> (s32[], f32[8,4]) {
  %p = (s32[], f32[8,4]{1,0}) parameter(0)
  %x = f32[8,4]{1,0} get-tuple-element(%p), index=1
  %copy.1 = f32[8,4]{1,0} copy(%x)
  %fusion.1 = f32[8,4]{1,0} fusion(%copy.1), kind=kLoop, calls=%fused
  %conditional = f32[8,4]{1,0} conditional(%i, %a, %b), branch_computations={%rarely, %usually}
  ROOT %t = (s32[], f32[8,4]{1,0}) tuple(%i, %conditional)
}

%test (p: (s32[], f32[8,4])) -> pred[] {
  ROOT %lt = pred[] compare(%i, %n), direction=LT
}

%rarely (q: f32[8,4]) -> f32[8,4] {
  %a = f32[8,4]{1,0} fusion(%q), kind=kLoop, calls=%fused
  ROOT %b = f32[8,4]{1,0} sort(%a), dimensions={0}
}

%usually (q: f32[8,4]) -> f32[8,4] {
  ROOT %c = f32[8,4]{1,0} fusion(%q), kind=kLoop, calls=%fused
}

ENTRY %main (key: u32[2]) -> f32[8,4] {
  %fusion.2 = f32[8,4]{1,0} fusion(%key), kind=kLoop, calls=%fused
  %tuple = (s32[], f32[8,4]{1,0}) tuple(%zero, %fusion.2)
  %while = (s32[], f32[8,4]{1,0}) while(%tuple), condition=%test, body=%step, backend_config={"known_trip_count":{"n":"30"}}
  ROOT %out = f32[8,4]{1,0} get-tuple-element(%while), index=1
}
"""  # noqa: E501


def test_kernels_are_counted_by_the_loop_that_launches_them():
    whole = loops.parse(PROGRAM)
    assert (whole.trips, whole.launched) == (1, 1)
    (inner,) = whole.loops
    assert inner is whole.innermost()
    assert (inner.trips, inner.kernels) == (30, {"copy": 1, "fusion": 2})  # the shorter branch of the condition
    assert inner.sometimes == 1
    assert inner.copied == 8 * 4 * 4


def job(name, code, folder):
    return on_gpu.Job(name, [sys.executable, "-c", code], folder / f"{name}.json")


WRITES = "import sys, pathlib; pathlib.Path(sys.argv[2]).write_text('done')"


@pytest.fixture
def owed(tmp_path, monkeypatch):
    """Three jobs, of which the second fails."""
    found = [
        job("one", WRITES, tmp_path),
        job("two", "raise SystemExit('no')", tmp_path),
        job("three", WRITES, tmp_path),
    ]
    monkeypatch.setattr(on_gpu, "jobs", lambda options: found)
    return found


def test_a_job_that_fails_does_not_stop_the_others(owed, tmp_path):
    assert on_gpu.run(on_gpu.Options(tmp_path)) == {"one": "done", "two": "to do", "three": "done"}
    assert (tmp_path / "two.log").read_text().strip() == "no"


def test_what_is_done_is_left_alone(owed, tmp_path):
    owed[0].target.write_text("of yesterday")
    on_gpu.run(on_gpu.Options(tmp_path))
    assert owed[0].target.read_text() == "of yesterday"


def test_no_job_begins_once_the_minutes_are_over(owed, tmp_path):
    assert set(on_gpu.run(on_gpu.Options(tmp_path, minutes=0.0)).values()) == {"to do"}


def test_a_job_that_takes_too_long_is_asked_to_stop(tmp_path, monkeypatch):
    slow = job("slow", "import time; time.sleep(60)", tmp_path)
    monkeypatch.setattr(on_gpu, "jobs", lambda options: [slow, job("next", WRITES, tmp_path)])
    assert on_gpu.run(on_gpu.Options(tmp_path, minutes=0.01)) == {"slow": "to do", "next": "to do"}


def test_a_study_that_was_interrupted_goes_on(tmp_path):
    study = next(one for one in on_gpu.jobs(on_gpu.Options(tmp_path)) if one.name == "tampering-paper")
    assert study.command()[-4:] == ["--preset", "paper", "--out", str(study.target)]
    study.target.mkdir()
    (study.target / "manifest.json").write_text('{"status": "interrupted"}')
    assert study.command()[3:] == ["run", "tampering", "--resume", str(study.target)]


@pytest.mark.parametrize("quick", [False, True])
def test_studies_take_their_settings(quick, tmp_path, monkeypatch):
    asked = []

    def run(self, preset, config, out, meter, trackers):
        config.check()
        asked.append(self.name)
        raise KeyboardInterrupt

    monkeypatch.setattr(Study, "run", run)
    for one in on_gpu.jobs(on_gpu.Options(tmp_path, quick=quick)):
        if one.study:
            with pytest.raises((KeyboardInterrupt, SystemExit)):
                main(one.command()[3:])
    assert asked == ["rewiring-learning", "tampering", "preference-shift"]


def test_bad_input(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(jaxrec.InputError, match="out must be a folder"):
        on_gpu.run(on_gpu.Options(tmp_path / "file"))
    with pytest.raises(jaxrec.InputError, match="minutes must be"):
        on_gpu.run(on_gpu.Options(tmp_path, minutes=-1.0))


@pytest.mark.slow
def test_everything_runs_scaled_down(tmp_path):
    command = [sys.executable, "-m", "benchmarks.on_gpu", str(tmp_path / "owed"), "--quick", "--minutes", "60"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
