"""A study: settings with presets, what is measured, and how it is reported. All write the same folder through here."""

import contextlib
import dataclasses
import shlex
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxrec import checks
from jaxrec.checks import lookup
from jaxrec.experiments.reports.claims import Claim
from jaxrec.experiments.reports.findings import Finding, counts
from jaxrec.experiments.reports.report import Report, Section
from jaxrec.experiments.runs import configuration
from jaxrec.experiments.runs.folder import RunFolder
from jaxrec.experiments.runs.manifest import differences, machine, manifest, programs
from jaxrec.experiments.runs.metrics_log import FolderLog
from jaxrec.experiments.runs.tools import Tools
from jaxrec.experiments.runs.tracking import Tracker, Trackers, options
from jaxrec.runtime import processes
from jaxrec.runtime.hardware import describe
from jaxrec.runtime.progress import Meter, NoMeter
from jaxrec.training import TrainingError


@dataclass(frozen=True)
class Study:
    """One study of a paper: what it measures, and what the paper's claims come to by that.

    Attributes:
        name: what `jaxrec run` calls it; of one's own "module:NAME", from where it can be imported.
        summary: one line.
        presets: configurations by name; the first is the default. Dataclasses of numbers, strings, tuples of them
            and dataclasses, whose `check()` raises InputError for what is out of range, before anything is written.
        measure: (config, tools) -> measured: trains, simulates and evaluates. `tools.log(**values)` appends a line to
            `metrics.jsonl`; `tools.train` trains, and records metrics and states. All that it does follows from
            `config`. It returns a dataclass of NumPy arrays, dictionaries of arrays and plain values,
            which is written to `measured.npz`.
        claims: config -> what the paper claims, and what else is judged or reported. Which claims there are follows
            from the settings alone, before anything is measured.
        report: (config, measured, findings) -> report: makes tables and pictures, and answers from what the claims
            come to. It draws no random numbers that do not follow from `config`, and trains nothing.
        limits: preset -> one sentence on what a run so short cannot show.
        minutes: preset -> how long it took on one or two CPU cores (AMD EPYC or Intel Xeon), where that was measured.
    """

    name: str
    summary: str
    presets: Mapping[str, Any]
    measure: Callable[[Any, Tools], Any]
    claims: Callable[[Any], Sequence[Claim]]
    report: Callable[[Any, Any, list[Finding]], Report]
    limits: Mapping[str, str] = field(default_factory=dict)
    minutes: Mapping[str, int] = field(default_factory=dict)

    def config(self, preset: str, **changes: Any) -> Any:
        """The configuration of a preset, with changes, such as `seeds=2` or `ppo={"learning_rate": 1e-3}`.

        Raises:
            InputError: if there is no such preset, no such setting, or a value is not of the setting's type.
        """
        config = lookup(self.presets, preset, f"preset of {self.name}")
        for name in changes:
            lookup(vars(config), name, f"setting of {self.name}")
        return configuration.changed(config, configuration.written(changes))

    def read(self, file: str | Path, preset: str | None = None) -> tuple[str, Any]:
        """The preset and the configuration that a file asks for: what `run` takes.

        Args:
            file: JSON, or TOML if its name ends so: a table of the settings that differ from the preset's, its name
                (`preset`) and that of the study (`study`) if wanted; or the manifest of a run.
            preset: instead of the file's; the first one if neither is given.

        Raises:
            InputError: if the file cannot be read or is of another study, for an unknown setting, and for a value of a
                wrong type or out of range; the message names the file and the setting.
        """
        table = configuration.read_file(file)
        with checks.prefixed(repr(str(file))):
            of, named = table.pop("study", self.name), table.pop("preset", None)
            if of != self.name:
                raise checks.InputError(f"settings of the study {of!r}, not of {self.name!r}")
            preset = preset or (next(iter(self.presets)) if named is None else str(named))
            config = configuration.changed(self.config(preset), table.get("config", table))
            config.check()
        return preset, config

    def run(
        self,
        preset: str | None = None,
        config: Any = None,
        out: str | Path | None = None,
        meter: Meter | None = None,
        trackers: Sequence[Tracker] = (),
        **changes: Any,
    ) -> Path:
        """Runs the study and writes its folder.

        Args:
            preset: where the configuration comes from; the first one if neither this nor `config` is given.
            config: what to run, if not the preset as it is.
            out: the folder, new or empty; `runs/...` with date and time if None.
            meter: notified of the progress.
            trackers: notified of every line of metrics; see `jaxrec.experiments.runs.tracking`.
            **changes: settings that differ from the preset's; see `config`.

        Returns:
            The folder: `report.md`, `figures/`, `results.json`, `measured.npz`, `metrics.jsonl`, `manifest.json`, and
            `checkpoints/` with the learned policies, for `jaxrec.load_policy`; until the run is complete also with the
            states of its trainings, from which `resume` resumes.

        Raises:
            InputError: if the preset is unknown, the configuration wrong, or something is in the folder.
        """
        if config is None:
            preset = next(iter(self.presets)) if preset is None else preset
            config = self.config(preset, **changes)
        elif changes:
            raise checks.InputError(
                f"config={checks.brief(config)} says what to run: give it {', '.join(changes)} instead"
            )
        config = configuration.from_json(type(config), configuration.to_json(config))  # as a run that goes on reads it
        config.check()
        about = processes.run_on_main(lambda: manifest(self.name, preset, configuration.to_json(config), self.measure))
        folder = RunFolder(
            processes.run_on_main(lambda: RunFolder.create(out, f"{self.name}-{preset or 'custom'}").path)
        )
        with folder.locked():
            processes.run_on_main(folder.check_unused)  # another run may have been there since
            folder.remove_partial()
            return self._execute(folder, about, config, meter, trackers)

    def resume(self, folder: str | Path, meter: Meter | None = None, trackers: Sequence[Tracker] = ()) -> Path:
        """Resumes a run that was interrupted, killed or failed, as if it had never stopped.

        Args:
            folder: of the run; its manifest has the configuration.
            meter: notified of the progress.
            trackers: notified of every line of metrics, those before the interruption first.

        Returns:
            The folder, as `run`.

        Raises:
            InputError: if that is no folder of a run, if the run is complete, still running, of another study, or was
                begun by another version of jaxrec or of what it stands on.

        Warns:
            UserWarning: if it was begun on another kind of machine, which rounds otherwise.
        """
        there = RunFolder(processes.run_on_main(lambda: RunFolder.open(folder).path))
        with there.locked():
            about, now = processes.run_on_main(lambda: (there.manifest(), manifest(self.name, None, {}, self.measure)))
            self._check_resumable(there.path, about, now)
            config = processes.run_on_main(lambda: self.configured(there))
            about["resumed"] = [*about.get("resumed", []), {name: now[name] for name in ("started", "command")}]
            there.remove_partial()
            return self._execute(there, about, config, meter, trackers)

    def redraw(self, folder: str | Path) -> Path:
        """Judges and draws a complete run again from what it measured; trains nothing.

        Writes `report.md`, `results.json` and `figures/` again, each file whole or not at all; of the manifest only the
        answers change, and all other files stay.

        Args:
            folder: of the run.

        Returns:
            The folder.

        Raises:
            InputError: if that is no folder of a run of this study, if the run is not complete or still running, if it
                has no `measured.npz`, or if its settings or measurements are not those of this version of jaxrec.
        """
        there = RunFolder.open(folder)
        about = there.manifest()
        if about["study"] != self.name:
            raise checks.InputError(f"{str(folder)!r} is a run of the study {about['study']!r}, not of {self.name!r}")
        if about["status"] != "complete":
            raise checks.InputError(
                f"{str(folder)!r} is not complete ({about['status']}), and has no report to draw again; to resume it: "
                f"jaxrec run {self.name} --resume {shlex.quote(str(folder))}"
            )
        config = self.configured(there)
        measured = there.read_measured()
        with there.locked():
            there.remove_partial()
            self._write(there, self.judged(config, measured), about, config, about.get("seconds", 0.0))
            there.write_json("manifest.json", about)
        return there.path

    def judged(self, config: Any, measured: Any) -> Report:
        """Judges each claim by what was measured, and makes the report.

        Raises:
            InputError: if a claim is about a mean of no samples, or of one that is not finite.
        """
        findings = [claim.finding(measured) for claim in self.claims(config)]
        report = self.report(config, measured, findings)
        report.findings = findings
        return report

    def configured(self, folder: RunFolder) -> Any:
        """The configuration that a run of this study was begun with.

        Raises:
            InputError: if the study has other settings now, or it was edited to what cannot be.
        """
        about = folder.manifest()
        try:
            config = configuration.from_json(type(next(iter(self.presets.values()))), about["config"])
            config.check()
        except checks.InputError as error:
            raise checks.InputError(
                f"{str(folder.path / 'manifest.json')!r}: {error}; the run was begun at commit {about['commit']}, "
                "whose settings these are"
            ) from None
        return config

    def _check_resumable(self, path: Path, begun: dict[str, Any], now: dict[str, Any]) -> None:
        if begun["study"] != self.name:
            raise checks.InputError(f"{str(path)!r} is a run of the study {begun['study']!r}, not of {self.name!r}")
        if begun["status"] == "complete":
            raise checks.InputError(f"{str(path)!r} is complete: see {path / 'report.md'}")
        if changed := differences(programs(begun), programs(now)):
            raise checks.InputError(f"{str(path)!r} can only go on with the programs that began it: {changed}")
        if moved := differences(machine(begun), machine(now)):
            warnings.warn(f"{path} goes on where numbers may round otherwise: {moved}", stacklevel=3)

    def _execute(
        self, folder: RunFolder, about: dict[str, Any], config: Any, meter: Meter | None, trackers: Sequence[Tracker]
    ) -> Path:
        """Runs from the start or resumes; the manifest says how it ended."""
        before, started = about.get("seconds", 0.0), time.perf_counter()
        tracked = Trackers(trackers if processes.is_main() else ())

        def note(status: str) -> None:
            about.update(status=status, seconds=round(before + time.perf_counter() - started, 1))
            folder.write_json("manifest.json", about)

        note("running")
        try:
            tracked.start(self.name, about["config"], folder.path)
            with meter or NoMeter() as running:
                measured = self.measure(config, Tools(FolderLog(folder.path, tracked), running))
            folder.write_measured(measured)
            report = self.judged(config, measured)
            self._write(folder, report, about, config, before + time.perf_counter() - started)
            tracked.outcome([one.result() for one in report.findings], [folder.figure(name) for name in report.figures])
            note("complete")
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            with contextlib.suppress(OSError):  # a full disk, which may be the error
                note("interrupted" if interrupted else f"failed: {type(error).__name__}: {error}")
            error.add_note(
                f"to go on: jaxrec run {self.name} --resume {shlex.quote(str(folder.path))}{options(trackers)}"
            )
            if isinstance(error, TrainingError):
                error.add_note("which comes to the same, as all follows from the settings: begin a run with others")
            raise
        finally:
            tracked.end(about["status"])
        folder.remove_states()
        return folder.path

    def _write(self, folder: RunFolder, report: Report, about: dict[str, Any], config: Any, seconds: float) -> None:
        """Writes the report, and notes in the manifest `about` what the terminal says of it."""
        for name, figure in report.figures.items():
            folder.write_figure(name, figure)
        results = {name: about[name] for name in ("study", "preset")}
        results["findings"] = [one.result() for one in report.findings]
        folder.write_json("results.json", results | report.data)
        limits, preset = (each.get(about["preset"]) for each in (self.limits, self.presets))
        report.limits = configuration.limited(limits or "", config, preset)
        report.sections.append(_how(about, config, seconds))
        folder.write_text("report.md", report.markdown())
        about["outcome"] = {
            "answers": [answer.text for answer in report.answers],
            "limits": report.limits,
            "claims": counts(report.findings),
            "picture": next((answer.figure for answer in report.answers if answer.figure), None),
        }


def _how(about: dict[str, Any], config: Any, seconds: float) -> Section:
    preset = f" --preset {about['preset']}" if about["preset"] else ""
    return Section(
        "How this was made",
        f"`jaxrec run {about['study']}{preset}` with the values below, in {seconds:.0f} s on "
        f"{describe(about['hardware'])}; commit {about['commit']}, jax {about['versions']['jax']}.",
        ("setting", "value"),
        [(f"`{key}`", f"`{value}`") for key, value in configuration.flat(dataclasses.asdict(config)).items()],
    )
