"""The demo of scripts/run.sh comes up, shows events, and leaves nothing behind. Needs `make build`."""

import contextlib
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS = 40


def free_port() -> int:
    """Below the range from which the system takes the ports of outgoing connections."""
    while True:
        port = random.randrange(10000, 30000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def children_of(pid: int) -> list[int]:
    found = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


class Demo:
    """scripts/run.sh in a process group of its own, as a terminal would have it."""

    def __init__(self, **env: str):
        self.process = subprocess.Popen(
            [ROOT / "scripts/run.sh"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env={**os.environ, "PORT": str(free_port()), "GRPC_PORT": str(free_port()),
                 "ADMIN_PORT": str(free_port()), "REDIS_PORT": str(free_port()), **env})
        self.guard = threading.Timer(SECONDS, self.process.kill)  # ends the reading below
        self.guard.start()
        self.text = ""
        for line in self.process.stdout:
            self.text += line
            if line.startswith("Ctrl-C"):
                break
        else:
            self.text += f"scripts/run.sh ended with {self.process.wait()}"
        self.children = children_of(self.process.pid) if self.process.poll() is None else []

    def find(self, pattern: str) -> str:
        found = re.search(pattern, self.text)
        if not found:
            raise AssertionError(f"no {pattern!r} in:\n{self.text}")
        return found[1]

    def page(self) -> str:
        return self.find(r"page +(http://\S+)")

    def interrupt(self) -> int:
        """Ctrl-C: the signal goes to every process in the foreground."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(timeout=SECONDS)

    def close(self) -> None:
        self.guard.cancel()
        for pid in [*self.children, self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                if self.process.poll() is None or pid != self.process.pid:
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


class Run(unittest.TestCase):
    def start(self, **env: str) -> Demo:
        demo = Demo(**env)
        self.addCleanup(demo.close)
        return demo

    def assert_shows_events(self, demo: Demo) -> None:
        with urllib.request.urlopen(demo.page(), timeout=SECONDS) as answer:
            self.assertIn("<html", answer.read().decode())
        server = demo.find(r"--server (\S+)")
        stream = subprocess.Popen(
            [ROOT / "build/bin/notifyctl", "--server", server, "stream", "--room", "*"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        guard = threading.Timer(SECONDS, stream.kill)
        guard.start()
        try:
            self.assertIn('"event"', stream.stdout.readline())
        finally:
            guard.cancel()
            stream.kill()
            stream.wait()
            stream.stdout.close()

    def assert_leaves_nothing(self, demo: Demo) -> None:
        self.assertEqual(demo.interrupt(), 130, demo.process.stdout.read())
        self.assertGreaterEqual(len(demo.children), 2)
        for child in demo.children:
            self.assertFalse(pathlib.Path(f"/proc/{child}").exists(), child)

    def test_in_memory(self):
        demo = self.start()
        self.assert_shows_events(demo)
        self.assert_leaves_nothing(demo)

    def test_on_redis(self):
        demo = self.start(REDIS="1")
        self.assertEqual(len(demo.children), 4, demo.text)  # redis-server, server, edge, feed
        self.assert_shows_events(demo)
        self.assert_leaves_nothing(demo)

    def test_a_taken_port_is_replaced_and_said(self):
        with socket.socket() as taken:
            port = free_port()
            taken.bind(("127.0.0.1", port))
            taken.listen()
            demo = self.start(PORT=str(port))
            self.assertIn(f"port {port} is taken", demo.text)
            self.assertNotIn(f":{port}/", demo.page())
            self.assert_shows_events(demo)

    def test_a_program_that_dies_ends_the_demo_and_is_named(self):
        demo = self.start()
        os.kill(demo.children[-1], signal.SIGKILL)
        rest = demo.process.stdout.read()
        self.assertEqual(demo.process.wait(timeout=SECONDS), 1)
        self.assertIn("feed ended", rest)
        for child in demo.children:
            self.assertFalse(pathlib.Path(f"/proc/{child}").exists(), child)


if __name__ == "__main__":
    sys.exit(unittest.main())
