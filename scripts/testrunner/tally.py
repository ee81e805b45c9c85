"""Counts individual tests in the reports of GoogleTest, Node's test runner and Python's unittest.

The rule of all: a suite that crashed, timed out or ran no test has at least one failure, so a
silent suite never looks like one that passed.
"""

import json
import re
from dataclasses import dataclass, field


@dataclass
class Failure:
    name: str
    detail: str = ""


@dataclass
class Tally:
    passed: int = 0
    skipped: int = 0
    failures: list[Failure] = field(default_factory=list)

    @property
    def failed(self) -> int:
        return len(self.failures)

    @property
    def total(self) -> int:
        return self.passed + self.failed + self.skipped

    def fail(self, name: str, detail: str = "") -> None:
        self.failures.append(Failure(name, detail))

    def add(self, other: "Tally") -> None:
        self.passed += other.passed
        self.skipped += other.skipped
        self.failures += other.failures


def summary_line(tally: Tally) -> str:
    """The last line of a run, read by machines."""
    line = f"{tally.passed} passed, {tally.failed} failed"
    return f"{line}, {tally.skipped} skipped" if tally.skipped else line


def from_gtest(report: str | None, log: str, exit_text: str) -> Tally:
    """Reads a --gtest_output=json report, or the log if the program died before it wrote one.

    `exit_text` says how the program ended, "" if it ended well.
    """
    tally = _from_gtest_report(report) if report else _from_gtest_log(log)
    if exit_text and (report is None or not tally.failures):
        running = re.findall(r"^\[ RUN      \] (\S+)", log, re.MULTILINE)
        where = f" in or after {running[-1]}" if running else ""
        tally.fail(f"{exit_text}{where}", excerpt(log))
    if tally.passed + tally.failed == 0:
        tally.fail("no test ran", excerpt(log))
    return tally


def _from_gtest_report(report: str) -> Tally:
    tally = Tally()
    for suite in json.loads(report)["testsuites"]:
        for test in suite["testsuite"]:
            name = f"{suite['name']}.{test['name']}"
            if test.get("failures"):
                tally.fail(name, "\n".join(entry["failure"] for entry in test["failures"]))
            elif test.get("result") == "COMPLETED":
                tally.passed += 1
            else:
                tally.skipped += 1
    return tally


def _from_gtest_log(log: str) -> Tally:
    tally = Tally()
    for outcome, name in re.findall(r"^\[ +(OK|FAILED|SKIPPED) +\] (\S+?),? .*\d+ ms\)$", log, re.M):
        if outcome == "OK":
            tally.passed += 1
        elif outcome == "SKIPPED":
            tally.skipped += 1
        else:
            tally.fail(name)
    return tally


_TAP_LINE = re.compile(r"^( *)(not )?ok \d+(?: - (.*))?$")


def from_tap(log: str, exit_text: str) -> Tally:
    """Reads the TAP of `node --test --test-reporter=tap`.

    Counts leaves only: describe blocks and files stand in the same report as lines of a lower
    indentation that follow their tests. Works on the nested form of Node 18 and the flat one of 20.
    """
    tally = Tally()
    pending_children = {}  # indentation -> whether a test line of a deeper one was seen since
    child_failed = {}
    lines = log.splitlines()
    block_end = ""  # inside a YAML block: its last line; a test's message may look like TAP
    for number, line in enumerate(lines):
        if block_end:
            block_end = "" if line == block_end else block_end
            continue
        if line.strip() == "---":
            block_end = line.replace("---", "...")
            continue
        match = _TAP_LINE.match(line)
        if not match:
            continue
        indent = len(match[1])
        name, _, directive = (match[3] or "").partition(" # ")
        deeper = [depth for depth in pending_children if depth > indent]
        is_parent = bool(deeper)
        failed_below = any(child_failed.get(depth) for depth in deeper)
        for depth in deeper:
            pending_children.pop(depth)
            child_failed.pop(depth, None)
        pending_children[indent] = True
        failed = match[2] is not None and not directive
        child_failed[indent] = child_failed.get(indent, False) or failed
        if failed:
            if not is_parent or not failed_below:  # a failing hook has no failing test below it
                tally.fail(name, _tap_detail(lines[number + 1 :]))
        elif is_parent:
            continue
        elif directive:
            tally.skipped += 1
        elif re.search(r"\.test\.(mjs|js|cjs)$", name):
            tally.fail(name, "the file holds no test")
        else:
            tally.passed += 1
    if exit_text and not tally.failures:
        tally.fail(exit_text, excerpt(log))
    if tally.passed + tally.failed == 0:
        tally.fail("no test ran", excerpt(log))
    return tally


def _tap_detail(after: list[str], size: int = 40) -> str:
    """The YAML block at the head of `after`, if there is one."""
    if not after or after[0].strip() != "---":
        return ""
    end = after[0].replace("---", "...")
    block = after[1 : after.index(end)] if end in after else after[1:]
    return "\n".join(line[len(end) - 3 :] for line in block[:size])


# The name with its class in parentheses, without the subtest; perhaps the docstring; the traceback.
_UNITTEST_FAILURE = re.compile(
    r"^={70}\n(?:FAIL|ERROR): (\S+ \([^)\n]*\)).*\n(?:.+\n)?-{70}\n((?:.|\n)*?)\n\n", re.MULTILINE)


def from_unittest(log: str, exit_text: str) -> Tally:
    """Reads what Python's unittest prints. A test counts once, however many of its subtests fail."""
    tally = Tally()
    ran = sum(int(count) for count in re.findall(r"^Ran (\d+) tests? in", log, re.MULTILINE))
    tally.skipped = sum(int(n) for n in re.findall(r"^(?:OK|FAILED) \(.*skipped=(\d+)", log, re.M))
    broken = {}
    for name, detail in _UNITTEST_FAILURE.findall(log):
        broken.setdefault(name, detail)
    for name, detail in broken.items():
        tally.fail(name, detail)
    fixtures = sum(name.startswith(("setUp", "tearDown")) for name in broken)  # are no tests
    tally.passed = max(0, ran - tally.skipped - (len(broken) - fixtures))
    if exit_text and not tally.failures:
        tally.fail(exit_text, excerpt(log))
    if tally.passed + tally.failed == 0:
        tally.fail("no test ran", excerpt(log))
    return tally


def excerpt(log: str, size: int = 60) -> str:
    """What a reader wants of a log that ended badly: the sanitizer's report, else the end."""
    lines = log.splitlines()
    for number, line in enumerate(lines):
        if re.search(r"(ERROR|WARNING): \w+Sanitizer|runtime error:", line):
            # What follows the summary is a dump of shadow memory.
            end = next((n + 1 for n in range(number, len(lines)) if "SUMMARY: " in lines[n]), None)
            return "\n".join(lines[number : min(end or number + size, number + size)])
    return "\n".join(lines[-size // 2 :])
