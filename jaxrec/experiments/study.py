"""A study: a configuration with presets, and a function from it to a report. All write the same folder through here."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxrec.checks import lookup
from jaxrec.experiments.folder import RunFolder
from jaxrec.experiments.manifest import describe, manifest
from jaxrec.experiments.report import Report, Section
from jaxrec.progress import Meter, NoMeter

Log = Callable[..., None]


@dataclass(frozen=True)
class Study:
    """One study of a paper.

    Attributes:
        name: what `jaxrec run` calls it.
        summary: one line.
        presets: configurations by name; the first is the default. Dataclasses whose `check()` raises InputError for
            what is out of range, before anything is written.
        execute: (config, log, meter) -> report. `log(**values)` appends a line to `metrics.jsonl`.
    """

    name: str
    summary: str
    presets: Mapping[str, Any]
    execute: Callable[[Any, Log, Meter], Report]

    def config(self, preset: str, **changes: Any) -> Any:
        """The configuration of a preset, with changes.

        Raises:
            InputError: if there is no such preset.
            TypeError: if there is no such field.
        """
        return dataclasses.replace(lookup(self.presets, preset, f"preset of {self.name}"), **changes)

    def run(
        self,
        preset: str | None = None,
        config: Any = None,
        out: str | Path | None = None,
        meter: Meter | None = None,
    ) -> Path:
        """Runs the study and writes its folder.

        Args:
            preset: where the configuration comes from; the first one if neither this nor `config` is given.
            config: what to run, if not the preset as it is.
            out: the folder, which must not exist; `runs/...` with date and time if None.
            meter: told of the progress.

        Returns:
            The folder: `report.md`, `figures/`, `results.json`, `metrics.jsonl`, `manifest.json`.

        Raises:
            InputError: if the preset is unknown, the configuration wrong or the folder exists.
        """
        if config is None:
            preset = next(iter(self.presets)) if preset is None else preset
            config = self.config(preset)
        config.check()
        folder = RunFolder.create(out, f"{self.name}-{preset or 'custom'}")
        about = manifest(self.name, preset, dataclasses.asdict(config))
        folder.write_json("manifest.json", about | {"status": "running"})
        started = time.perf_counter()
        try:
            with meter or NoMeter() as running:
                report = self.execute(config, folder.log, running)
        except BaseException as error:
            folder.write_json("manifest.json", about | {"status": f"failed: {type(error).__name__}: {error}"})
            raise
        seconds = time.perf_counter() - started
        for name, figure in report.figures.items():
            folder.write_figure(name, figure)
        findings = [dataclasses.asdict(finding) for finding in report.findings]
        folder.write_json("results.json", {"study": self.name, "preset": preset, "findings": findings} | report.data)
        report.sections.append(_how(self.name, preset, about, seconds))
        folder.write_text("report.md", report.markdown())
        folder.write_json("manifest.json", about | {"status": "complete", "seconds": round(seconds, 1)})
        return folder.path


def _how(name: str, preset: str | None, about: dict[str, Any], seconds: float) -> Section:
    return Section(
        "How this was made",
        f"`jaxrec run {name}{f' --preset {preset}' if preset else ''}` with the values below, in {seconds:.0f} s on "
        f"{describe(about['hardware'])}; commit {about['commit']}, jax {about['versions']['jax']}.",
        ("setting", "value"),
        [(f"`{key}`", f"`{value}`") for key, value in about["config"].items()],
    )
