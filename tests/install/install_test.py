"""A platform program can use the publisher as installed. Needs the archive built in build/."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
CONSUMER = ROOT / "tests/install/consumer"
SECONDS = 240


def run(*command, **options) -> str:
    """The output of a command; what it said is in the error if it fails."""
    ended = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=SECONDS, **options)
    if ended.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {ended.returncode}\n"
                             f"{ended.stdout[-4000:]}")
    return ended.stdout


def configure(source: pathlib.Path, build: pathlib.Path, *options: str):
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    run("cmake", "-S", source, "-B", build, "-G", "Ninja", *launcher, *options)


@contextlib.contextmanager
def redis_server(folder: str):
    """A redis-server on a free port; yields its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
        stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), \
                 socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(64).startswith(b"+PONG"):
                    break
            time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(timeout=20)


class InstalledPublisher(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.prefix = cls.folder / "prefix"
        run("cmake", "--install", BUILD, "--component", "publisher", "--prefix", cls.prefix)

    def expect_delivery(self, program: pathlib.Path, **options):
        with redis_server(str(self.folder)) as url:
            self.assertEqual(run(program, url, **options), "delivered, own names apart\n")

    def test_is_found_by_cmake(self):
        build = self.folder / "with-cmake"
        configure(CONSUMER, build, f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", build)
        self.expect_delivery(build / "consumer")

    def test_is_found_by_pkg_config_even_after_a_move(self):
        moved = self.folder / "moved"
        shutil.copytree(self.prefix, moved)
        description = next(moved.rglob("notifications-publisher.pc"))
        env = {**os.environ, "PKG_CONFIG_PATH": str(description.parent)}
        flags = run("pkg-config", "--cflags", "--libs", "notifications-publisher", env=env).split()
        includes = [os.path.realpath(flag[2:]) for flag in flags if flag.startswith("-I")]
        self.assertEqual(includes, [os.path.realpath(moved / "include")])
        program = self.folder / "with-pkg-config"
        run("c++", "-std=c++20", CONSUMER / "main.cc", CONSUMER / "own_names.cc", "-o", program,
            *flags)
        self.expect_delivery(program)

    def test_first_program_of_the_readme_works_as_it_stands(self):
        text = (ROOT / "publisher-client/README.md").read_text(encoding="utf-8")
        program = text.split("```cpp\n")[1].split("```")[0]
        source = self.folder / "readme.cc"
        flags = run("pkg-config", "--cflags", "--libs", "notifications-publisher", env={
            **os.environ,
            "PKG_CONFIG_PATH": str(next(self.prefix.rglob("*.pc")).parent)}).split()
        with redis_server(str(self.folder)) as url:
            self.assertIn("redis://127.0.0.1:6379/0", program)
            source.write_text(program.replace("redis://127.0.0.1:6379/0", url), encoding="utf-8")
            run("c++", "-std=c++20", source, "-o", self.folder / "readme", *flags)
            run(self.folder / "readme")

    def test_archive_defines_the_publisher_only(self):
        archive = next(self.prefix.rglob("libnotifications-publisher.a"))
        defined = run("nm", "-C", "--defined-only", "--extern-only", archive).splitlines()
        names = [line.split(" ", 2)[2] for line in defined if line.count(" ") >= 2]
        self.assertGreater(len(names), 20)
        self.assertEqual([n for n in names if not n.startswith("notifications::Publisher")], [])

    def test_headers_stand_alone_and_show_nothing_of_what_is_inside(self):
        headers = sorted(self.prefix.rglob("*.h"))
        self.assertEqual([header.name for header in headers], ["events.h", "publisher.h"])
        for header in headers:
            include = f"#include <{header.relative_to(self.prefix / 'include')}>\n"
            for compiler in filter(shutil.which, ["g++", "clang++-14"]):
                command = (compiler, "-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow",
                           "-Werror", "-I", self.prefix / "include", "-x", "c++", "-")
                run(*command, "-fsyntax-only", input=include)
                seen = run(*command, "-M", input=include)
                for private in ("boost", "hiredis", "absl", "/core/"):
                    self.assertNotIn(private, seen)

    def test_builds_alone_and_as_a_shared_library_that_exports_the_publisher_only(self):
        build = self.folder / "alone"
        prefix = self.folder / "shared"
        configure(ROOT / "publisher-client", build, "-DNOTIFICATIONS_PUBLISHER_SHARED=ON")
        run("cmake", "--build", build)
        run("cmake", "--install", build, "--prefix", prefix)
        library = next(prefix.rglob("libnotifications-publisher.so"))
        for line in run("nm", "-DC", "--defined-only", library).splitlines():
            self.assertRegex(line, r"notifications::Publisher::")
        consumer = self.folder / "with-shared"
        configure(CONSUMER, consumer, f"-DCMAKE_PREFIX_PATH={prefix}", "-DSHARED=ON")
        run("cmake", "--build", consumer)
        self.expect_delivery(consumer / "consumer",
                             env={**os.environ, "LD_LIBRARY_PATH": str(library.parent)})

    def test_example_publishes_each_event_once_and_refuses_bad_flags(self):
        example = BUILD / "bin/publish-example"
        with redis_server(str(self.folder)) as url:
            said = run(example, f"--redis_url={url}")
        self.assertEqual(len([line for line in said.splitlines() if " delivered as " in line]), 13)
        self.assertIn("--redis_url", run(example, "--help"))
        for flag, error in (("--bogus", "unknown flag --bogus"),
                            ("--timeout_ms=soon", "--timeout_ms: soon is not a number"),
                            ("--redis_url=http://x", "redis_url: ")):
            ended = subprocess.run([example, flag], capture_output=True, text=True, timeout=SECONDS)
            self.assertEqual(ended.returncode, 2)
            self.assertIn(error, ended.stderr)
            self.assertEqual(len(ended.stderr.splitlines()), 1)

    def test_example_fails_in_time_when_redis_is_away(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))  # bound, but nothing listens
            url = f"redis://127.0.0.1:{probe.getsockname()[1]}"
            ended = subprocess.run(
                [BUILD / "bin/publish-example", f"--redis_url={url}", "--timeout_ms=100"],
                capture_output=True, text=True, timeout=SECONDS)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("node_status not delivered: the publisher was closed before it was sent",
                      ended.stderr)


if __name__ == "__main__":
    unittest.main()
