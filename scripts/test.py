#!/usr/bin/python3
"""Builds and runs the test suites.

    scripts/test.py                      what `make test` runs
    scripts/test.py --only unit,tsan     suites by name, or by the first part of their names
    scripts/test.py --group sanitizers   what `make test-sanitizers` runs; also: long, all
    scripts/test.py --list               the table

The last line printed is `N passed, N failed`, with `, N skipped` if any were. The exit code is 0
only if tests ran and none failed. Complete logs: build/test-logs/.
"""

import argparse
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from testrunner import process
from testrunner.suites import CheckSuite, FuzzSuite, GtestSuite, NodeSuite, Suite, UnittestSuite
from testrunner.tally import Tally, summary_line
from testrunner.trees import LOGS, ROOT, Tree

PYTHON = "/usr/bin/python3"  # Debian's, which sees the packages that apt installed

RELEASE, ASAN, TSAN, FUZZ = Tree("release"), Tree("asan"), Tree("tsan"), Tree("fuzz")
FUZZ.targets = ["fuzzers"]

PROGRAMS = ["notifications-edge", "notifications-server", "notifications-gateway", "notifyctl",
            "publish-example"]

CHECKS = [
    ("includes-self-test", [PYTHON, "tests/checks/includes.py", "--self-test"]),
    ("includes", [PYTHON, "tests/checks/includes.py"]),
    ("repo-self-test", [PYTHON, "tests/checks/repo.py", "--self-test"]),
    ("repo", [PYTHON, "tests/checks/repo.py"]),
    ("shellcheck", ["scripts/lint.sh", "shell"]),
    ("python", ["scripts/lint.sh", "python"]),
    ("buf", ["scripts/lint.sh", "proto"]),
]


def suites() -> list[Suite]:
    """One row for each suite, in the order they run; seconds are the limit, not the expectation."""
    return [
        CheckSuite("checks", seconds=120, checks=CHECKS),
        UnittestSuite("runner", seconds=120, command=[PYTHON, "tests/checks/runner_test.py"]),
        GtestSuite("unit", RELEASE, 300, program="unit_tests"),
        GtestSuite("unit-server", RELEASE, 300, program="unit_server_tests"),
        GtestSuite("contract", RELEASE, 600, program="contract_tests"),
        GtestSuite("integration", RELEASE, 600, program="integration_tests"),
        GtestSuite("integration-grpc", RELEASE, 600, program="integration_grpc_tests"),
        UnittestSuite("run", RELEASE, 300, targets=PROGRAMS,
                      command=[PYTHON, "tests/checks/run_test.py"]),
        UnittestSuite("install", RELEASE, 600, targets=["all"],
                      command=[PYTHON, "tests/install/install_test.py"]),
        UnittestSuite("deploy", RELEASE, 300, targets=PROGRAMS,
                      command=[PYTHON, "tests/deploy/run"]),
        NodeSuite("conformance", RELEASE, 900, targets=PROGRAMS, folder="tests/conformance"),
        NodeSuite("e2e", RELEASE, 1200, targets=PROGRAMS, folder="tests/e2e"),
        NodeSuite("torture", RELEASE, 900, targets=[*PROGRAMS, "torture-publisher"],
                  folder="tests/torture", alone=True),
        NodeSuite("stack", RELEASE, 600, targets=["all"], folder="tests/e2e/stack"),
        GtestSuite("asan-unit", ASAN, 600, program="unit_tests"),
        GtestSuite("asan-unit-server", ASAN, 600, program="unit_server_tests"),
        GtestSuite("asan-contract", ASAN, 900, program="contract_tests"),
        GtestSuite("tsan-unit", TSAN, 600, program="unit_tests"),
        GtestSuite("tsan-contract", TSAN, 900, program="contract_tests"),
        GtestSuite("tsan-integration", TSAN, 900, program="integration_tests"),
        FuzzSuite("fuzz", FUZZ, 600),

        GtestSuite("asan-integration", ASAN, 900, "sanitizers", program="integration_tests"),
        GtestSuite("asan-integration-grpc", ASAN, 900, "sanitizers",
                   program="integration_grpc_tests"),
        GtestSuite("tsan-unit-server", TSAN, 900, "sanitizers", program="unit_server_tests"),
        GtestSuite("tsan-integration-grpc", TSAN, 900, "sanitizers",
                   program="integration_grpc_tests"),
        NodeSuite("asan-e2e", ASAN, 2400, "sanitizers", PROGRAMS, folder="tests/e2e"),
        NodeSuite("asan-conformance", ASAN, 2400, "sanitizers", PROGRAMS,
                  folder="tests/conformance"),
        NodeSuite("tsan-e2e", TSAN, 2400, "sanitizers", PROGRAMS, folder="tests/e2e"),
        NodeSuite("tsan-conformance", TSAN, 2400, "sanitizers", PROGRAMS,
                  folder="tests/conformance"),

        NodeSuite("long", RELEASE, 1800, "long", PROGRAMS, folder="tests/e2e/long"),
        NodeSuite("long-stack", RELEASE, 900, "long", ["all"], folder="tests/e2e/stack",
                  settings={"FULL": "1"}),
    ]


class Run:
    """One run: builds trees in the background of the suites that do not need them yet.

    The release tree comes first and alone. While its suites run, mostly waiting, the other trees
    are built at a low priority; the suites of those run after that, as many at once as there are
    cores. Thread: the tally and the printing are guarded by `lock_`.
    """

    def __init__(self, chosen: list[Suite]):
        self.chosen = chosen
        self.total = Tally()
        self.minutes: list[tuple[str, float]] = []
        self.lock_ = threading.Lock()

    def run(self) -> int:
        began = time.monotonic()
        trees = self._trees()
        if RELEASE in trees:
            self._build(RELEASE, nice=0)
        others = [tree for tree in trees if tree is not RELEASE]
        builder = threading.Thread(target=lambda: [self._build(tree, nice=10) for tree in others],
                                   daemon=True)
        builder.start()
        for suite in self.chosen:
            if suite.tree in (None, RELEASE):
                self._run_suite(suite)
        with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
            list(pool.map(self._run_suite,
                          [suite for suite in self.chosen if suite.tree not in (None, RELEASE)]))
        builder.join()
        self._say("\nminutes")
        for name, seconds in self.minutes:
            self._say(f"{seconds / 60:6.1f}  {name}")
        self._say(f"{(time.monotonic() - began) / 60:6.1f}  in all")
        return self._finish()

    def _trees(self) -> list[Tree]:
        """The trees that the chosen suites need, told what to build of themselves."""
        trees = []
        for suite in self.chosen:
            if suite.tree and suite.tree not in trees:
                trees.append(suite.tree)
            if suite.tree in (ASAN, TSAN):
                suite.tree.targets += [t for t in suite.targets if t not in suite.tree.targets]
        return trees

    def _build(self, tree: Tree, nice: int) -> None:
        self._say(f"building {tree.preset} in {tree.directory.name}/")
        tree.build(nice)
        with self.lock_:
            self.minutes.append((f"build {tree.preset}", tree.seconds))
        outcome = "FAILED" if tree.problem else "done"
        self._say(f"building {tree.preset}: {outcome} ({tree.seconds / 60:.1f} min)")
        if tree.problem:
            self._say(_indented(tree.problem))
            with self.lock_:
                self.total.fail(f"build {tree.preset}")

    def _run_suite(self, suite: Suite) -> None:
        if suite.tree:
            suite.tree.done.wait()
        self._say(f"running {suite.name}")
        began = time.monotonic()
        try:
            tally = suite.run()
        except Exception as error:  # a fault of the runner itself must not lose a suite
            tally = Tally()
            tally.fail(f"the test runner failed: {error!r}")
        seconds = time.monotonic() - began
        said = [f"running {suite.name}: {summary_line(tally)} ({seconds:.1f} s)"]
        for failure in tally.failures:
            failure.name = f"{suite.name}: {failure.name}"
            said.append(f"  FAILED {failure.name}")
            if failure.detail:
                said.append(_indented(failure.detail))
        with self.lock_:
            self.total.add(tally)
            self.minutes.append((suite.name, seconds))
        self._say("\n".join(said))

    def _finish(self) -> int:
        if self.total.failures:
            self._say(f"\nfailed ({LOGS.relative_to(ROOT)}/ has the logs):")
            for failure in self.total.failures:
                self._say(f"  {failure.name}")
        last = summary_line(self.total)
        (LOGS / "summary.txt").write_text(last + "\n")
        print(f"\n{last}", flush=True)
        return 0 if self.total.passed and not self.total.failures else 1

    def _say(self, text: str) -> None:
        with self.lock_:  # lines of two threads must not mix
            print(text, flush=True)


def _indented(text: str) -> str:
    return "\n".join(f"      | {line[:400]}" for line in text.splitlines())


def choose(table: list[Suite], only: str, group: str) -> list[Suite]:
    """Suites by name or by a dash-separated first part of it; unknown names end the program."""
    if not only:
        return [suite for suite in table if group in (suite.group, "all")]
    names = [name for name in only.replace(",", " ").split() if name]
    chosen = []
    for name in names:
        exact = [suite for suite in table if suite.name == name]
        found = exact or [suite for suite in table if suite.name.startswith(f"{name}-")]
        if not found:
            sys.exit(f"test.py: no suite {name!r}; there are: "
                     + " ".join(suite.name for suite in table))
        chosen += [suite for suite in found if suite not in chosen]
    return [suite for suite in table if suite in chosen]


def main() -> int:
    parser = argparse.ArgumentParser(description="Builds and runs the test suites.")
    parser.add_argument("--only", default="", help="names, separated by commas")
    parser.add_argument("--group", default="test", choices=["test", "sanitizers", "long", "all"])
    parser.add_argument("--fuzz-seconds", type=int, default=10, help="for each fuzzer")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()

    table = suites()
    for suite in table:
        if isinstance(suite, FuzzSuite):
            suite.each_seconds = options.fuzz_seconds
    if options.list:
        for suite in table:
            print(f"{suite.group:<12}{suite.name}")
        return 0
    LOGS.mkdir(parents=True, exist_ok=True)
    (LOGS / "summary.txt").unlink(missing_ok=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return Run(choose(table, options.only, options.group)).run()


def stop(number: int, _frame) -> None:
    """Ends the run at once: neither its threads nor what they started may go on."""
    process.stop_all()
    print("interrupted", file=sys.stderr)
    os._exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
