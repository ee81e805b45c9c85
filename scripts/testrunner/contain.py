"""Runs its arguments as a command and takes along, when that ends, every process it left behind.

A program of its own because only a parent can do this surely: as "child subreaper" it inherits all
orphans below it, also those that changed session or rewrote their environment, as redis-server and
Chromium do. SIGTERM, or the death of its parent, ends everything at once.
"""

import ctypes
import os
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = subprocess.Popen(sys.argv[1:], start_new_session=True, preexec_fn=_heed_interrupts)
    except OSError as error:
        print(f"cannot start {sys.argv[1]}: {error.strerror}", flush=True)
        return 127
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            break
    _kill_descendants()
    code = os.waitstatus_to_exitcode(status)
    if code < 0:  # end as the command did, so that the caller sees its signal
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _heed_interrupts() -> None:
    """Ignoring is inherited, from here as from a shell's `&`, and a shell script cannot undo it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _stop(*_) -> None:
    _kill_descendants()
    os._exit(128 + signal.SIGTERM)


def _kill_descendants() -> None:
    while victims := _descendants(os.getpid()):
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as stat:
                # The name in parentheses may hold blanks; the parent is the second word after it.
                parent = int(stat.read().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(entry))
    found, open_ends = [], [root]
    while open_ends:
        below = children.get(open_ends.pop(), [])
        found += below
        open_ends += below
    return found


if __name__ == "__main__":
    sys.exit(main())
