"""The rows of the table: what is put on which peer, what is read off, and what is to be reached."""

import dataclasses
import statistics
from collections.abc import Callable

from . import peers


def us_per_delivery(result: dict) -> float:
    return result["peer_cpu_seconds"] / result["deliveries"] * 1e6


def us_per_comeback(result: dict) -> float:
    """Server CPU of a resume, or of a plain connect where nobody resumed."""
    seconds = result.get("resume_peer_cpu_seconds", result["connect_peer_cpu_seconds"])
    return seconds / result["connections"] * 1e6


def connects_per_second(result: dict) -> float:
    return result["connections"] / result["connect_seconds"]


def kb_per_connection(result: dict) -> float:
    return ((result["peer_kib_settled"] - result["peer_kib_before"]) * 1024 / 1000
            / result["connections"])


@dataclasses.dataclass
class Target:
    """`value(peer) / value(other)` is to be at most, or at least, `bound`. other: (row, peer)."""

    text: str
    other: tuple[str, str]
    bound: float
    at_least: bool = False


@dataclasses.dataclass
class Row:
    name: str
    title: str
    unit: str
    value: Callable[[dict], float]
    flags: dict[str, object]
    peers: tuple[str, ...]
    target: Target | None = None
    limit: float | None = None  # an absolute one, of the first peer
    grpc: bool = False
    publishes: bool = True
    compared: str = "node"  # the peer that stands in the table's last column of costs


FAN_OUT = {"connections": 1000}
JOURNAL = "journal"  # the edge with --journal=on, and publishers that append
CROWD = {"connections": 10000, "rooms": 10000}
WEB = ("edge", "floor", "node")

ROWS = [
    Row("F1", "1,000 connections in one room, one event at a time", "us/delivery",
        us_per_delivery, {**FAN_OUT, "in_flight": 1}, WEB,
        Target("<= 1.05 x floor", ("F1", "floor"), 1.05)),
    Row("F8", "the same, bursts of 8", "us/delivery",
        us_per_delivery, {**FAN_OUT, "in_flight": 8}, WEB,
        Target("<= 0.18 x F1's floor", ("F1", "floor"), 0.18)),
    Row("F64", "the same, bursts of 64", "us/delivery",
        us_per_delivery, {**FAN_OUT, "in_flight": 64}, WEB,
        Target("<= 0.05 x F1's floor", ("F1", "floor"), 0.05)),
    Row("S", "10,000 connections in 10,000 rooms, saturated", "us/event",
        us_per_delivery, {**CROWD, "in_flight": 1000, "bursts": 0, "nap_us": 200}, WEB,
        Target("<= 0.22 x Node", ("S", "node"), 0.22)),
    Row("L", "1,000 connections, payloads of 16 KiB", "us/delivery",
        us_per_delivery, {**FAN_OUT, "payload": 16384}, WEB,
        Target("<= 1.15 x floor", ("L", "floor"), 1.15)),
    Row("M", "idle memory per connection, of 10,000", "kB",
        kb_per_connection, {**CROWD, "settle": 1}, ("edge", "node"), limit=2.5, publishes=False),
    Row("C", "connects per second, a crowd of 1,000 to a fresh process", "1/s",
        connects_per_second, {"connections": 1000, "rooms": 1000, "concurrent_connects": 500},
        ("edge", "node"),
        Target(">= 8 x Node", ("C", "node"), 8, at_least=True), publishes=False),
    Row("G", "gRPC: events to 100 streams, bursts of 8", "us/delivery",
        us_per_delivery, {"streams": 100, "in_flight": 8}, ("raw", "typed"),
        Target("<= 0.35 x one typed write each", ("G", "typed"), 0.35), grpc=True,
        compared="typed"),
    *[Row(f"{name}J", f"{name} with the journal on", "us/delivery", us_per_delivery,
          {**FAN_OUT, "in_flight": in_flight}, (JOURNAL, "edge"),
          Target("<= 1.10 x with it off", (f"{name}J", "edge"), 1.10), compared="edge")
      for name, in_flight in (("F1", 1), ("F8", 8), ("F64", 64))],
    Row("R", "5,000 sessions resume, each having missed 5 events, from the window", "us/resume",
        us_per_comeback, {"connections": 5000, "concurrent_connects": 500}, (JOURNAL, "edge"),
        Target("<= 2 x a plain connect", ("R", "edge"), 2), publishes=False, compared="edge"),
]
RESUMED = {"R": 5}  # events missed


def measure(row: Row, peer_name: str, seconds: float) -> dict:
    """One measurement: fresh processes, one workload."""
    flags = dict(row.flags)
    if row.publishes:
        flags["seconds"] = seconds
    if peer_name == "floor":
        with peers.Floor(*(["--spread"] if row.name == "S" else [])) as peer:
            return peers.load(peer, None, flags)
    start = {"edge": peers.Edge, JOURNAL: peers.JournalEdge, "node": peers.Node,
             "raw": peers.GrpcServer, "typed": peers.TypedGrpcServer}[peer_name]
    journal = peer_name == JOURNAL
    if journal:
        flags["journal"] = 1
        if row.name in RESUMED:
            flags["resume"] = RESUMED[row.name]
    with peers.Redis() as redis, start(redis) as peer:
        if row.grpc:
            return peers.grpc_load(peer, redis, flags)
        return peers.load(peer, redis if row.publishes or journal else None, flags)


class Results:
    """What was measured: for each row and peer one result per round."""

    def __init__(self):
        self.runs: dict[str, dict[str, list[dict]]] = {}

    def add(self, row: Row, peer: str, result: dict) -> None:
        self.runs.setdefault(row.name, {}).setdefault(peer, []).append(result)

    def values(self, row: Row, peer: str) -> list[float]:
        return [row.value(result) for result in self.runs.get(row.name, {}).get(peer, [])]

    def median(self, row: Row, peer: str) -> float | None:
        values = self.values(row, peer)
        return statistics.median(values) if values else None

    def ratio(self, row: Row, peer: str, other: tuple[str, str]) -> float | None:
        """The median of the rounds' ratios: what disturbs one round disturbs both of its sides."""
        other_row = next(each for each in ROWS if each.name == other[0])
        pairs = list(zip(self.values(row, peer), self.values(other_row, other[1])))
        return statistics.median(a / b for a, b in pairs) if pairs else None

    def latency(self, row: Row, peer: str, key: str) -> float | None:
        values = [result[key] for result in self.runs.get(row.name, {}).get(peer, [])
                  if key in result]
        return statistics.median(values) if values else None
