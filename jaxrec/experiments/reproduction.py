"""A run made again from its folder alone, and what came out held against what had come out."""

import json
import shlex
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxrec import checks
from jaxrec.experiments.catalogue import study
from jaxrec.experiments.runs.folder import RunFolder
from jaxrec.experiments.runs.manifest import differences, machine, manifest, programs
from jaxrec.experiments.study import Study
from jaxrec.runtime.progress import Meter

FILES = ("results.json", "metrics.jsonl")  # the numbers of a run: the report and the figures show them


@dataclass(frozen=True)
class Comparison:
    """One file of both runs, value by value.

    Attributes:
        file: its name.
        values: how many there are.
        differing: how many of them are not the same, bit for bit.
        deviation: the largest, relative to the larger of the two numbers; infinite where a value is no number or is
            missing in one of them.
        where: the place of that one and what stands there, or nothing.
    """

    file: str
    values: int
    differing: int
    deviation: float
    where: str


@dataclass(frozen=True)
class Reproduction:
    """What came of making a run again.

    Attributes:
        begun, folder: of the run, and of the one made again.
        files: how each file compares.
        claims: how many the findings of the first run judge, and how many of them the new one's judge alike.
        changed: what else differs: commit, versions, machine; or nothing.
        rtol: up to which relative deviation numbers count as the same.
    """

    begun: Path
    folder: Path
    files: tuple[Comparison, ...]
    claims: tuple[int, int]
    changed: str
    rtol: float

    @property
    def identical(self) -> bool:
        """Whether every value is the same, bit for bit."""
        return not any(file.differing for file in self.files)

    @property
    def reproduced(self) -> bool:
        """Whether every value is the same, or within `rtol`."""
        return all(file.deviation <= self.rtol for file in self.files)

    @property
    def verdict(self) -> str:
        """One line."""
        if self.identical:
            return "identical, bit for bit"
        worst = max(self.files, key=lambda file: file.deviation)
        if self.reproduced:
            return f"the same within a relative {self.rtol:g}: by at most {worst.deviation:.2g}"
        return f"differs, by more than a relative {self.rtol:g}: most in {worst.file} at {worst.where}"


def reproduce(
    folder: str | Path, out: str | Path | None = None, meter: Meter | None = None, rtol: float = 1e-5
) -> Reproduction:
    """Runs the configuration of a run again and compares the results.

    Args:
        folder: of the run, which is complete; nothing in it is changed.
        out: the folder of the new run; `runs/...` if None. If this is such a run already, it is resumed if it was
            cut off, and only compared if it is complete.
        meter: notified of the progress.
        rtol: up to which relative deviation numbers count as the same.

    Raises:
        InputError: if that is no folder of a complete run, if its study or settings are not those of this version of
            jaxrec, or if `out` is something else.

    Warns:
        UserWarning: if it was run by another commit, other versions or on another machine.
    """
    checks.within("rtol", rtol, 0.0, 1.0)
    begun = RunFolder.open(folder)
    about = begun.manifest()
    chosen = study(about["study"])
    if about["status"] != "complete":
        raise checks.InputError(
            f"{str(folder)!r} is not complete ({about['status']}); to go on: "
            f"jaxrec run {chosen.name} --resume {shlex.quote(str(folder))}"
        )
    config, before = chosen.configured(begun), [_values(begun, name) for name in FILES]
    if changed := _changed(about, manifest(chosen.name, None, {}, chosen.measure)):
        warnings.warn(f"{folder} was not made by the same programs on the same machine: {changed}", stacklevel=2)
    try:
        again = RunFolder(_again(chosen, begun, config, out, meter))
    except BaseException as error:
        if getattr(error, "__notes__", None):  # on how to go on
            error.add_note(f"then to compare: jaxrec reproduce {shlex.quote(str(folder))} --out and that folder")
        raise
    after = [_values(again, name) for name in FILES]
    files = tuple(map(_compare, FILES, before, after))
    judged = [place for place, value in before[0].items() if place.endswith("].holds") and value is not None]
    alike = sum(before[0][place] is after[0].get(place) for place in judged)
    return Reproduction(begun.path, again.path, files, (len(judged), alike), _changed(about, again.manifest()), rtol)


def _again(chosen: Study, begun: RunFolder, config: Any, out: str | Path | None, meter: Meter | None) -> Path:
    about = begun.manifest()
    if out is None or not Path(out).exists():
        return chosen.run(about["preset"], config, out, meter)
    there = RunFolder.open(out)
    if there.path.samefile(begun.path):
        raise checks.InputError(f"out={str(out)!r} is the run itself: name a new folder")
    present = there.manifest()
    if any(present[name] != about[name] for name in ("study", "config")):
        raise checks.InputError(f"out={str(out)!r} is a run of something else: name a new folder")
    return there.path if present["status"] == "complete" else chosen.resume(out, meter)


def _changed(begun: dict[str, Any], now: dict[str, Any]) -> str:
    return differences(programs(begun) | machine(begun), programs(now) | machine(now))


def _values(folder: RunFolder, name: str) -> dict[str, Any]:
    """Every value in a file by its place, such as "findings[3].value" or "line 1.reward[0]"."""
    path = folder.path / name
    try:
        if path.suffix == ".json":
            return dict(_leaves(json.loads(path.read_text()), ""))
        lines = path.read_text().splitlines() if path.exists() else []  # a study may note nothing
        return {k: v for n, line in enumerate(lines, 1) for k, v in _leaves(json.loads(line), f"line {n}")}
    except (OSError, ValueError) as error:
        raise checks.InputError(f"{str(path)!r} cannot be read: {error}") from None


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{place}.{key}" if place else key)
    elif isinstance(value, list) and value:
        for i, item in enumerate(value):
            yield from _leaves(item, f"{place}[{i}]")
    else:
        yield place, value


MISSING = object()


def _compare(name: str, begun: dict[str, Any], now: dict[str, Any]) -> Comparison:
    places = list(begun | now)
    pairs = [(begun.get(place, MISSING), now.get(place, MISSING)) for place in places]
    deviations = [_deviation(*pair) for pair in pairs]
    worst = max(range(len(pairs)), key=deviations.__getitem__, default=None)
    if worst is None or not deviations[worst]:
        return Comparison(name, len(pairs), 0, 0.0, "")
    was, is_now = ("nothing" if value is MISSING else json.dumps(value) for value in pairs[worst])
    where = f"{places[worst]}: {was}, now {is_now}"
    return Comparison(name, len(pairs), sum(map(bool, deviations)), deviations[worst], where)


def _deviation(begun: Any, now: Any) -> float:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (begun, now))
    if begun == now and (numbers or type(begun) is type(now)):
        return 0.0
    return abs(begun - now) / max(abs(begun), abs(now)) if numbers else float("inf")
