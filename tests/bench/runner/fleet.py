"""What an event costs Redis, by the number of edges that it is written to.

The edges are sockets here that read what comes and do nothing with it: only the CPU time of the
redis-server process counts."""

import pathlib
import re
import selectors
import socket
import time
import uuid

from . import peers

SCRIPT = peers.ROOT / "core" / "redis" / "scripts" / "append.lua"
CHANNEL = "notifications.v1"
TS = "2026-02-19T12:00:00.000Z"
ENVELOPE_BYTES = 450
PIPELINED = 64  # events that are under way together
STREAM_ID = re.compile(rb"\r\n(\d+-\d+)\r\n")


def command(*words: str) -> bytes:
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        data = word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


def connect(redis: peers.Redis) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", redis.port))
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def cpu_seconds(pid: int) -> float:
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


class Edges:
    """So many readers: of the channel, or with `journal` of the stream."""

    def __init__(self, redis: peers.Redis, count: int, journal: bool):
        self.journal = journal
        self.selector = selectors.DefaultSelector()
        for _ in range(count):
            edge = connect(redis)
            edge.sendall(self.ask("$") if journal else command("SUBSCRIBE", CHANNEL))
            if not journal:
                edge.recv(4096)
            self.selector.register(edge, selectors.EVENT_READ)

    @staticmethod
    def ask(after: str) -> bytes:
        return command("XREAD", "COUNT", "256", "BLOCK", "0", "STREAMS", f"{CHANNEL}:journal", after)

    def read(self) -> None:
        """All that has come. A reader of the stream then asks for what follows it."""
        while ready := self.selector.select(0):
            for key, _ in ready:
                ids = STREAM_ID.findall(key.fileobj.recv(1 << 20))
                if self.journal and ids:
                    key.fileobj.sendall(self.ask(ids[-1].decode()))

    def close(self) -> None:
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()


def envelope(event_id: str) -> str:
    head = f'{{"id":"{event_id}","ts":"{TS}","source":"s","rooms":["graph"],"event":"e","payload":"'
    return head + "x" * (ENVELOPE_BYTES - len(head) - 2) + '"}'


def publishes(count: int) -> list[bytes]:
    return [command("PUBLISH", CHANNEL, envelope(str(uuid.uuid4()))) for _ in range(count)]


def appends(count: int, in_a_call: int, sha: str) -> list[bytes]:
    """Calls of the script that append `count` envelopes."""
    calls = []
    for _ in range(count // in_a_call):
        ids = [str(uuid.uuid4()) for _ in range(in_a_call)]
        texts = [envelope(each) for each in ids]
        words = ["EVALSHA", sha, str(2 + in_a_call), f"{CHANNEL}:journal", f"{CHANNEL}:meta"]
        words += [f"{CHANNEL}:id:{each}" for each in ids]
        words += [texts[0], TS, CHANNEL, "1000000", "900000", "300000", "bench", "1", ""]
        for text in texts[1:]:
            words += [text, TS]
        calls.append(command(*words))
    return calls


def us_per_event(edges: int, in_a_call: int, seconds: float) -> float:
    """in_a_call: 0 for PUBLISH, else envelopes in a call of the script."""
    with peers.Redis() as redis:
        publisher = connect(redis)
        sha = ""
        if in_a_call:
            publisher.sendall(command("SCRIPT", "LOAD", SCRIPT.read_text(encoding="utf-8")))
            sha = publisher.recv(4096).split(b"\r\n")[1].decode()
        readers = Edges(redis, edges, bool(in_a_call))
        events = 0
        before = cpu_seconds(redis.pid)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            calls = appends(PIPELINED, in_a_call, sha) if in_a_call else publishes(PIPELINED)
            publisher.sendall(b"".join(calls))
            # Each call ends with an integer: of receivers, or whether the id was known.
            answered = 0
            while answered < PIPELINED:
                answer = publisher.recv(1 << 20)
                if b"\n-" in answer and b" " in answer:
                    raise RuntimeError(answer[:200])
                answered += answer.count(b":") if not in_a_call else answer.count(b"\r\n:0\r\n")
            readers.read()
            events += PIPELINED
        used = cpu_seconds(redis.pid) - before
        readers.close()
        publisher.close()
    return used / events * 1e6
