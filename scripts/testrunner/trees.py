"""Build trees: one for each CMake preset that a suite may name."""

import os
import pathlib
import threading
import time

from . import process

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOGS = ROOT / "build" / "test-logs"

_SECONDS_TO_BUILD = 60 * 60


class Tree:
    """One build directory. `build` makes it whole; `has` tells whether one target of it is."""

    def __init__(self, preset: str):
        self.preset = preset
        self.directory = ROOT / ("build" if preset == "release" else f"build-{preset}")
        self.targets: list[str] = []  # none: the default target, everything
        self.seconds = 0.0
        self.problem = ""  # how building failed, "" if it did not
        self.done = threading.Event()

    def build(self, nice: int) -> None:
        """Configures and builds, going on after errors so that one bad file fails one suite."""
        began = time.monotonic()
        try:
            self.problem = self._build(nice)
        finally:
            self.seconds = time.monotonic() - began
            self.done.set()

    def _build(self, nice: int) -> str:
        configured = process.run(["cmake", "--preset", self.preset], cwd=ROOT, nice=nice,
                                 log=LOGS / f"configure-{self.preset}.log", seconds=300)
        if configured.exit_text:
            return f"configure: {configured.exit_text}\n{_from_first(configured.log, 'CMake Error')}"
        known = self._known_targets()
        missing = [target for target in self.targets if target not in known]
        wanted = [target for target in self.targets if target in known]
        if missing and not wanted:
            return f"no such target: {' '.join(missing)}"
        built = process.run(
            ["ninja", "-C", str(self.directory), "-k", "0", f"-j{os.cpu_count() or 2}", *wanted],
            nice=nice, log=LOGS / f"build-{self.preset}.log", seconds=_SECONDS_TO_BUILD)
        if built.exit_text:
            return f"build: {built.exit_text}\n{_from_first(built.log, 'FAILED: ')}"
        return f"no such target: {' '.join(missing)}" if missing else ""

    def has(self, target: str) -> str:
        """"" if `target` is up to date, else why not. Quick: nothing is left to build."""
        if not self.problem:
            return ""
        log = LOGS / f"build-{self.preset}-{target}.log"
        built = process.run(["ninja", "-C", str(self.directory), target], log=log,
                            seconds=_SECONDS_TO_BUILD)
        return f"{target} of {self.preset} was not built" if built.exit_text else ""

    def _known_targets(self) -> set[str]:
        listing = process.run(["ninja", "-C", str(self.directory), "-t", "targets", "all"],
                              log=LOGS / f"targets-{self.preset}.log", seconds=60)
        return {line.split(":")[0] for line in listing.log.splitlines()}


def _from_first(log: str, mark: str, size: int = 60) -> str:
    """What a log says from the first line on that begins with `mark`."""
    lines = log.splitlines()
    first = next((n for n, line in enumerate(lines) if line.startswith(mark)), 0)
    return "\n".join(line[:500] for line in lines[first : first + size])
