"""Runs one command to its end or its deadline, and leaves no process of it behind."""

import os
import pathlib
import signal
import subprocess
import sys
from dataclasses import dataclass

_CONTAIN = pathlib.Path(__file__).with_name("contain.py")

# A nested make would look for the job server of the outer one; a suite would take make's ONLY for
# its own; and what is set for a developer's gateway would change the defaults that tests expect.
_NOT_INHERITED = {
    "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "ONLY", "TARGET", "SECONDS",
    "HOST", "PORT", "SOCKET_IO_PATH", "GRPC_ADDR", "ADMIN_LISTEN", "NOTIFICATIONS_REDIS_URL",
    "REDIS_URL", "NOTIFICATIONS_CHANNEL", "NOTIFICATIONS_JOURNAL", "NOTIFICATIONS_SERVER",
    "THREADS", "PING_INTERVAL", "PING_TIMEOUT", "MAX_PAYLOAD", "MAX_CONNECTIONS", "DELIVERY",
    "ALLOWED_ORIGINS", "CONNECT_TIMEOUT", "DRAIN", "LOG_LEVEL", "LOG_FORMAT",
}

_running: set[subprocess.Popen] = set()


@dataclass
class Ended:
    exit_text: str  # how it ended, "" if well
    log: str


def run(command: list[str], *, log: pathlib.Path, seconds: float, env: dict[str, str] | None = None,
        cwd: pathlib.Path | None = None, nice: int = 0) -> Ended:
    """Runs `command` with its output in the file `log`; returns when it and all below it ended."""
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    environment.update(env or {})
    prefix = ["nice", "-n", str(nice)] if nice else []
    with log.open("wb") as out:
        child = subprocess.Popen(
            [*prefix, sys.executable, str(_CONTAIN), *command], stdin=subprocess.DEVNULL,
            stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=cwd, start_new_session=True)
        _running.add(child)
        try:
            exit_text = _exit_text(child.wait(timeout=seconds))
        except subprocess.TimeoutExpired:
            exit_text = f"timed out after {seconds:.0f} s"
            child.terminate()
            child.wait()
        finally:
            _running.discard(child)
    return Ended(exit_text, log.read_text(errors="replace"))


def stop_all() -> None:
    """Ends whatever `run` has under way in any thread: for an interrupted run."""
    for child in list(_running):
        child.terminate()
    for child in list(_running):
        child.wait()


def _exit_text(code: int) -> str:
    if code == 0:
        return ""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
