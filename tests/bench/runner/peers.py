"""Starts what is measured and what it needs: each on a core of its own, on free ports, ended by its
process id."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BIN = ROOT / "build" / "bin"

# What is measured has a core to itself as far as the machine allows; all that puts load on it
# shares the other one.
PEER_CPUS = {0}
LOAD_CPUS = {1} if (os.cpu_count() or 1) > 1 else {0}

START_SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """A child process pinned to `cpus`; its lines are read until it says that it is ready."""

    def __init__(self, args: list[str], cpus: set[int], env: dict[str, str] | None = None,
                 cwd: str | None = None):
        self.process = subprocess.Popen(
            args, text=True, cwd=cwd, env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        self.pid = self.process.pid
        self.name = os.path.basename(args[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def await_line(self, find):
        """The first result of find(line) that is not None; the rest is read away afterwards."""
        timer = threading.Timer(START_SECONDS, self.process.kill)
        timer.start()
        seen = []
        try:
            for line in self.process.stdout:
                seen.append(line)
                found = find(line)
                if found is not None:
                    threading.Thread(target=self._read_away, daemon=True).start()
                    return found
        finally:
            timer.cancel()
        raise RuntimeError(f"{self.name} did not start: {''.join(seen[-5:])}")

    def _read_away(self):
        for _ in self.process.stdout:
            pass

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Redis(Program):
    def __init__(self):
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="notifications-bench-")
        super().__init__(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1",
                          "--save", "", "--appendonly", "no"], LOAD_CPUS, cwd=self.folder.name)
        self.await_line(lambda line: True if "Ready to accept" in line else None)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def await_subscriber(self, channel: str = "notifications.v1"):
        """Waits until somebody is subscribed: what is published now arrives."""
        until = time.monotonic() + START_SECONDS
        request = f"PUBSUB NUMSUB {channel}\r\n".encode()
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            while time.monotonic() < until:
                connection.sendall(request)
                if b":0" not in connection.recv(4096):
                    return
                time.sleep(0.02)
        raise RuntimeError("nobody subscribed")

    def stop(self):
        super().stop()
        self.folder.cleanup()


def _listening(listener: str):
    def find(line: str):
        if '"listening"' not in line or f'"{listener}"' not in line:
            return None
        return int(json.loads(line)["address"].rsplit(":", 1)[1])
    return find


class Edge(Program):
    """The product: browsers' edge, one reactor thread unless told otherwise."""

    def __init__(self, redis: Redis, threads: int = 1, flags: tuple[str, ...] = (),
                 cpus: set[int] | None = None):
        super().__init__([str(BIN / "notifications-edge"), "--listen=127.0.0.1:0",
                          "--admin_listen=127.0.0.1:0", f"--redis_url={redis.url}",
                          f"--threads={threads}", "--log_format=json", "--drain=0s", *flags],
                         cpus or PEER_CPUS)
        self.port = self.await_line(_listening("socketio"))
        redis.await_subscriber()


class JournalEdge(Edge):
    """The same with resumable delivery."""

    def __init__(self, redis: Redis):
        super().__init__(redis, flags=("--journal=on",))


class Node(Program):
    """A stock gateway: socket.io and ioredis."""

    def __init__(self, redis: Redis):
        super().__init__(["node", str(ROOT / "tests/peers/stock_gateway.mjs")], PEER_CPUS,
                         {"HOST": "127.0.0.1", "PORT": "0", "REDIS_URL": redis.url, "QUIET": "1"})
        self.port = self.await_line(
            lambda line: json.loads(line)["port"] if line.startswith('{"ready"') else None)


class Floor(Program):
    """Bare system calls."""

    def __init__(self, *flags: str):
        super().__init__([str(BIN / "notifications_floor"), *flags], PEER_CPUS)
        self.port = self.await_line(
            lambda line: int(line.split()[1]) if line.startswith("port ") else None)


class GrpcServer(Program):
    """The product's gRPC front."""

    def __init__(self, redis: Redis):
        super().__init__([str(BIN / "notifications-server"), "--grpc_listen=127.0.0.1:0",
                          "--admin_listen=127.0.0.1:0", f"--redis_url={redis.url}",
                          "--log_format=json", "--drain=0s"], PEER_CPUS)
        self.port = self.await_line(_listening("grpc"))
        redis.await_subscriber()


class TypedGrpcServer(Program):
    """The same service with one typed write per stream."""

    def __init__(self, redis: Redis):
        super().__init__([str(BIN / "notifications_grpc_typed"), redis.url], PEER_CPUS)
        self.port = self.await_line(
            lambda line: int(line.split()[1]) if line.startswith("port ") else None)
        redis.await_subscriber()


def _measure(program: str, flags: dict[str, object]) -> dict:
    args = [str(BIN / program)] + [f"--{name}={value}" for name, value in flags.items()]
    cpus = LOAD_CPUS

    def prepare():
        os.sched_setaffinity(0, cpus)
        # Redis shares the core and goes first: the reader of a stream must not wait for the clients.
        os.nice(5)

    done = subprocess.run(args, capture_output=True, text=True, timeout=300, preexec_fn=prepare)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(args)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def load(peer: Program, redis: Redis | None, flags: dict[str, object]) -> dict:
    """Puts a workload on a peer; what came out. Raises if a delivery was lost, doubled, ..."""
    flags = {"port": peer.port, "pid": peer.pid, **flags}
    if isinstance(peer, Floor):
        flags["floor"] = 1
    elif redis is not None:
        flags["redis_port"] = redis.port
    return _measure("notifications_load", flags)


def grpc_load(peer: Program, redis: Redis, flags: dict[str, object]) -> dict:
    return _measure("notifications_grpc_load",
                    {"port": peer.port, "pid": peer.pid, "redis_port": redis.port, **flags})
