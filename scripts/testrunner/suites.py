"""The kinds of suites: each runs and returns its tally."""

import functools
import os
import pathlib
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from . import process, tally
from .tally import Tally
from .trees import LOGS, ROOT, Tree

_SANITIZER_ENV = {
    # Everything ends the program that found it. Leaks count, ours and those of what we link.
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1"
                    ":check_initialization_order=1:abort_on_error=0",
    "LSAN_OPTIONS": f"suppressions={ROOT}/tests/lsan.supp:print_suppressions=0",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": f"suppressions={ROOT}/tests/tsan.supp:print_suppressions=0"
                    ":second_deadlock_stack=1:halt_on_error=0",
    "ASAN_SYMBOLIZER_PATH": "/usr/bin/llvm-symbolizer-14",
    "TSAN_SYMBOLIZER_PATH": "/usr/bin/llvm-symbolizer-14",
}


@dataclass
class Suite:
    """One row of the table in scripts/test.py."""

    name: str
    tree: Tree | None = None
    seconds: float = 300.0
    group: str = "test"  # which make target runs it
    targets: list[str] = field(default_factory=list)  # what it needs built

    def run(self) -> Tally:
        for target in self.targets:
            problem = self.tree.has(target)
            if problem:
                failed = Tally()
                failed.fail(problem)
                return failed
        return self.run_tests()

    def run_tests(self) -> Tally:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        env = dict(_SANITIZER_ENV)
        if self.tree:
            env["NOTIFICATIONS_BIN"] = str(self.tree.directory / "bin")
            # What tests multiply their deadlines with: the sanitizers take their time.
            env["NOTIFICATIONS_PATIENCE"] = "1" if self.tree.preset == "release" else "4"
        return env

    def log_path(self) -> pathlib.Path:
        return LOGS / f"{self.name}.log"


@dataclass
class GtestSuite(Suite):
    """A GoogleTest program."""

    program: str = ""

    def __post_init__(self) -> None:
        self.targets = [self.program, *self.targets]

    def run_tests(self) -> Tally:
        report = LOGS / f"{self.name}.json"
        report.unlink(missing_ok=True)
        ended = process.run([str(self.tree.directory / "bin" / self.program), "--gtest_color=no",
                             f"--gtest_output=json:{report}"],
                            log=self.log_path(), seconds=self.seconds, env=self.environment(),
                            cwd=ROOT)
        text = report.read_text() if report.exists() else None
        return tally.from_gtest(text, ended.log, ended.exit_text)


@dataclass
class NodeSuite(Suite):
    """All *.test.mjs of one folder, without its subfolders."""

    folder: str = ""
    settings: dict[str, str] = field(default_factory=dict)  # environment variables of its own
    alone: bool = False  # whether each file wants the machine for itself

    def environment(self) -> dict[str, str]:
        return {**super().environment(), **self.settings}

    def run_tests(self) -> Tally:
        found = (ROOT / self.folder).glob("*.test.mjs")
        files = sorted(str(path.relative_to(ROOT)) for path in found)
        if not files:
            missing = Tally()
            missing.fail(f"no *.test.mjs in {self.folder}")
            return missing
        options = ["--test", "--test-reporter=tap"]
        # A hook that failed leaves programs running, which would hold the file until the deadline.
        if _node_knows("--test-force-exit"):
            options.append("--test-force-exit")
        if self.alone and _node_knows("--test-concurrency"):
            options.append("--test-concurrency=1")
        ended = process.run(["node", *options, *files], log=self.log_path(), seconds=self.seconds,
                            env=self.environment(), cwd=ROOT)
        return tally.from_tap(ended.log, ended.exit_text)


@functools.cache
def _node_knows(option: str) -> bool:
    listing = subprocess.run(["node", "--help"], capture_output=True, text=True, check=False)
    return option in listing.stdout


@dataclass
class CheckSuite(Suite):
    """Commands that pass by exiting with 0; each counts as one test."""

    checks: list[tuple[str, list[str]]] = field(default_factory=list)

    def run_tests(self) -> Tally:
        result = Tally()
        for name, command in self.checks:
            log = LOGS / f"{self.name}-{name}.log"
            ended = process.run(command, log=log, seconds=self.seconds, env=self.environment(),
                                cwd=ROOT)
            if ended.exit_text:
                result.fail(f"{name}: {ended.exit_text}", tally.excerpt(ended.log))
            else:
                result.passed += 1
        return result


@dataclass
class UnittestSuite(Suite):
    """A program of Python's unittest."""

    command: list[str] = field(default_factory=list)

    def run_tests(self) -> Tally:
        ended = process.run(self.command, log=self.log_path(), seconds=self.seconds,
                            env=self.environment(), cwd=ROOT)
        return tally.from_unittest(ended.log, ended.exit_text)


@dataclass
class FuzzSuite(Suite):
    """Each libFuzzer program for `each_seconds`, from the seeds and past crashers in tests/fuzz.

    What it learns is kept in build/fuzz-corpus, what breaks it in build/fuzz-artifacts.
    """

    each_seconds: int = 10

    def run_tests(self) -> Tally:
        result = Tally()
        names = sorted(path.stem for path in (ROOT / "tests/fuzz").glob("*_fuzzer.cc"))
        if not names:
            result.fail(f"no *_fuzzer.cc in tests/fuzz")
        with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
            for one in pool.map(self._run_one, names):
                result.add(one)
        return result

    def _run_one(self, name: str) -> Tally:
        result = Tally()
        problem = self.tree.has(name)
        if problem:
            result.fail(problem)
            return result
        kept = ROOT / "tests/fuzz"
        learned = ROOT / "build/fuzz-corpus" / name
        artifacts = ROOT / "build/fuzz-artifacts" / name
        for folder in (learned, artifacts):
            folder.mkdir(parents=True, exist_ok=True)
        short = name.removesuffix("_fuzzer")
        corpora = [str(folder) for folder in (kept / "corpus" / short, kept / "crashers" / short)
                   if folder.is_dir()]
        options = [f"-max_total_time={self.each_seconds}", "-rss_limit_mb=1500", "-timeout=10",
                   "-print_final_stats=1", f"-artifact_prefix={artifacts}/"]
        dictionary = kept / f"{short}.dict"
        if dictionary.exists():
            options.append(f"-dict={dictionary}")
        ended = process.run([str(self.tree.directory / "bin" / name), *options, str(learned),
                             *corpora], log=LOGS / f"{self.name}-{name}.log",
                            seconds=self.each_seconds + 120, env=self.environment(), cwd=ROOT)
        if ended.exit_text:
            result.fail(f"{name}: {ended.exit_text}", tally.excerpt(ended.log))
        else:
            result.passed += 1
        return result
