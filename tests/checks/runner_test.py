"""The test runner counts what ran, and no kind of silence passes. Run: python3 runner_test.py"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
sys.dont_write_bytecode = True

from testrunner import process, tally  # noqa: E402


def gtest_report(*tests):
    return json.dumps({"testsuites": [{"name": "Hub", "testsuite": list(tests)}]})


PASSED = {"name": "A", "status": "RUN", "result": "COMPLETED"}
FAILED = {"name": "B", "status": "RUN", "result": "COMPLETED",
          "failures": [{"failure": "hub.cc:7\nexpected 1", "type": ""}]}
SKIPPED = {"name": "C", "status": "RUN", "result": "SKIPPED"}
DISABLED = {"name": "D", "status": "NOTRUN", "result": "SUPPRESSED"}


class Gtest(unittest.TestCase):
    def test_counts_each_outcome(self):
        got = tally.from_gtest(gtest_report(PASSED, FAILED, SKIPPED, DISABLED), "", "exit code 1")
        self.assertEqual(tally.summary_line(got), "1 passed, 1 failed, 2 skipped")
        self.assertEqual(got.failures[0].name, "Hub.B")
        self.assertIn("expected 1", got.failures[0].detail)

    def test_a_bad_end_after_passing_tests_is_a_failure(self):
        got = tally.from_gtest(gtest_report(PASSED), "ERROR: LeakSanitizer: x", "exit code 1")
        self.assertEqual(tally.summary_line(got), "1 passed, 1 failed")
        self.assertIn("LeakSanitizer", got.failures[0].detail)

    def test_a_crash_is_counted_from_the_log_and_names_the_test(self):
        log = ("[ RUN      ] Hub.A\n[       OK ] Hub.A (0 ms)\n"
               "[ RUN      ] Hub.B\n[  FAILED  ] Hub.B (3 ms)\n[ RUN      ] Hub.C\n")
        got = tally.from_gtest(None, log, "killed by SIGSEGV")
        self.assertEqual((got.passed, got.failed), (1, 2))
        self.assertEqual(got.failures[-1].name, "killed by SIGSEGV in or after Hub.C")

    def test_no_tests_is_a_failure(self):
        self.assertEqual(tally.from_gtest(gtest_report(), "", "").failed, 1)
        self.assertEqual(tally.from_gtest(gtest_report(DISABLED), "", "").failed, 1)
        self.assertEqual(tally.from_gtest(None, "", "").failed, 1)


NESTED = """TAP version 13
# Subtest: tests/e2e/a.test.mjs
    # Subtest: one
    ok 1 - one
      ---
      duration_ms: 1
      ...
    # Subtest: two
    not ok 2 - two
      ---
      error: |-
        Expected values
        ok 1 - not a test line
        ...
      code: 'ERR_ASSERTION'
      ...
    ok 3 - three # SKIP no browser
    1..3
not ok 1 - tests/e2e/a.test.mjs
  ---
  error: '1 subtest failed'
  ...
1..1
# tests 1
# pass 0
"""


class Tap(unittest.TestCase):
    def test_counts_leaves_not_files(self):
        got = tally.from_tap(NESTED, "exit code 1")
        self.assertEqual(tally.summary_line(got), "1 passed, 1 failed, 1 skipped")
        self.assertEqual(got.failures[0].name, "two")
        self.assertIn("Expected values", got.failures[0].detail)

    def test_a_failing_hook_above_passing_tests_is_a_failure(self):
        got = tally.from_tap("    ok 1 - one\nnot ok 1 - suite\n", "exit code 1")
        self.assertEqual(tally.summary_line(got), "1 passed, 1 failed")

    def test_a_file_without_tests_is_a_failure(self):
        got = tally.from_tap("ok 1 - tests/e2e/a.test.mjs\n", "")
        self.assertEqual(tally.summary_line(got), "0 passed, 1 failed")

    def test_a_file_that_crashes_is_a_failure(self):
        got = tally.from_tap("not ok 1 - tests/e2e/a.test.mjs\nok 2 - fine\n", "exit code 1")
        self.assertEqual(tally.summary_line(got), "1 passed, 1 failed")

    def test_silence_is_a_failure(self):
        self.assertEqual(tally.from_tap("", "").failed, 1)
        self.assertEqual(tally.from_tap("ok 1 - one\n", "killed by SIGKILL").failed, 1)

    def test_reads_what_this_node_writes(self):
        source = """import {test, describe, after} from 'node:test';
            test('passes', () => {});
            test('fails', () => { throw new Error('on purpose'); });
            test('skips', {skip: 'why not'}, () => {});
            describe('group', () => { test('inner', () => {}); test('inner 2', () => {}); });
            describe('bad hook', () => { test('inner 3', () => {});
                                         after(() => { throw new Error('hook'); }); });"""
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "a.test.mjs")
            file.write_text(source)
            empty = pathlib.Path(folder, "b.test.mjs")
            empty.write_text("")
            ended = process.run(["node", "--test", "--test-reporter=tap", str(file), str(empty)],
                                log=pathlib.Path(folder, "log"), seconds=60)
        got = tally.from_tap(ended.log, ended.exit_text)
        self.assertEqual(tally.summary_line(got), "4 passed, 3 failed, 1 skipped")


UNITTEST = """import unittest
class A(unittest.TestCase):
    def test_passes(self): pass
    def test_fails(self):
        "Says what it does."
        self.assertEqual(1, 2)
    def test_raises(self): raise ValueError("two\\n\\nparagraphs")
    def test_subtests(self):
        for number in range(3):
            with self.subTest("(of three) [each]", number=number): self.assertEqual(number, 0)
    @unittest.skip("why not")
    def test_skips(self): pass
class B(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise OSError("nothing there")
    def test_never_runs(self): pass
unittest.main()
"""


class Unittest(unittest.TestCase):
    def test_reads_what_this_python_writes(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "a.py")
            file.write_text(UNITTEST)
            ended = process.run([sys.executable, str(file)], log=pathlib.Path(folder, "log"),
                                seconds=60)
        got = tally.from_unittest(ended.log, ended.exit_text)
        self.assertEqual(tally.summary_line(got), "1 passed, 4 failed, 1 skipped")
        self.assertIn("test_fails (__main__.A.test_fails)", [one.name for one in got.failures])
        self.assertIn("1 != 2", "".join(one.detail for one in got.failures))

    def test_silence_is_a_failure(self):
        self.assertEqual(tally.from_unittest("", "").failed, 1)
        self.assertEqual(tally.from_unittest("Ran 0 tests in 0.000s\n\nOK\n", "").failed, 1)
        crashed = tally.from_unittest("Ran 2 tests in 0.1s\n\nOK\n", "killed by SIGSEGV")
        self.assertEqual(tally.summary_line(crashed), "2 passed, 1 failed")


class Process(unittest.TestCase):
    def run_it(self, *command, seconds=30):
        with tempfile.TemporaryDirectory() as folder:
            return process.run(list(command), log=pathlib.Path(folder, "log"), seconds=seconds)

    def test_says_how_a_command_ended(self):
        self.assertEqual(self.run_it("true").exit_text, "")
        self.assertEqual(self.run_it("false").exit_text, "exit code 1")
        self.assertEqual(self.run_it("no-such-program").exit_text, "exit code 127")
        self.assertEqual(self.run_it("bash", "-c", "kill -SEGV $$").exit_text, "killed by SIGSEGV")

    def test_a_command_can_be_interrupted(self):
        ended = self.run_it("bash", "-c", "trap 'echo heard; exit' INT; kill -INT $$; echo deaf")
        self.assertEqual(ended.log, "heard\n")

    def test_takes_along_what_a_command_leaves_behind(self):
        # Another session, another environment: as a daemon that a dead test has left.
        ended = self.run_it("bash", "-c", "env -i setsid sleep 1000 & echo $!")
        self.assertEqual(ended.exit_text, "")
        self.assertFalse(pathlib.Path(f"/proc/{int(ended.log)}").exists())

    def test_ends_a_command_at_its_deadline(self):
        began = time.monotonic()
        ended = self.run_it("bash", "-c", "trap '' TERM; setsid sleep 1000 & echo $!; wait; wait",
                            seconds=0.5)
        self.assertEqual(ended.exit_text, "timed out after 0 s")
        self.assertLess(time.monotonic() - began, 20)
        self.assertFalse(pathlib.Path(f"/proc/{int(ended.log)}").exists())


class CommandLine(unittest.TestCase):
    def test_an_unknown_suite_is_refused(self):
        done = subprocess.run([sys.executable, ROOT / "scripts/test.py", "--only", "nope"],
                              capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no suite 'nope'", done.stderr)


if __name__ == "__main__":
    unittest.main()
