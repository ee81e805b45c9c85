"""How cost grows along one axis at a time; each is drawn into tests/bench/plots/."""

import json
import pathlib

from . import chart, fleet, peers
from .rows import kb_per_connection, us_per_delivery

PLOTS = pathlib.Path(__file__).resolve().parents[1] / "plots"

# As many as the file limit of one process lets in: each connection is a descriptor on either side.
MOST_CONNECTIONS = 19000
PING_LATER = ("--ping_interval=10m",)  # heartbeats are not what is measured


def edge_load(flags: dict, threads: int = 1) -> dict:
    with peers.Redis() as redis, peers.Edge(redis, threads, PING_LATER) as edge:
        return peers.load(edge, redis, flags)


def by_connections(seconds: float) -> dict:
    """One room that everybody is in, and one room for each."""
    points = {"one room": [], "a room each": [], "kB": [], "connects": []}
    for connections in (1000, 2000, 5000, 10000, MOST_CONNECTIONS):
        one = edge_load({"connections": connections, "seconds": seconds})
        points["one room"].append((connections, us_per_delivery(one)))
        each = edge_load({"connections": connections, "rooms": connections, "in_flight": 500,
                          "bursts": 0, "nap_us": 200, "seconds": seconds, "settle": 1})
        points["a room each"].append((connections, us_per_delivery(each)))
        points["kB"].append((connections, kb_per_connection(each)))
        points["connects"].append(
            (connections, each["connect_peer_cpu_seconds"] / connections * 1e6))
    return points


def by_rooms(seconds: float) -> list:
    """Rooms in the process: 1,000 connections in up to 100 rooms each, one event at a time."""
    points = []
    for rooms_each in (1, 10, 100):
        result = edge_load({"connections": 1000, "rooms": 1000, "rooms_each": rooms_each,
                            "in_flight": 500, "bursts": 0, "nap_us": 200,
                            "seconds": seconds})
        points.append((1000 * rooms_each, us_per_delivery(result)))
    return points


def by_payload(seconds: float) -> list:
    points = []
    for payload in (64, 256, 1024, 4096, 16384, 65536, 262144):
        connections = 1000 if payload <= 16384 else 200
        result = edge_load({"connections": connections, "payload": payload, "seconds": seconds})
        points.append((payload, us_per_delivery(result)))
    return points


def by_rate(seconds: float) -> list:
    """Cores in use at so many events per second to 100 connections in one room."""
    points = []
    for rate in (100, 300, 1000, 3000, 10000):
        result = edge_load({"connections": 100, "rate": rate, "seconds": seconds})
        points.append((result["events"] / result["seconds"],
                       result["peer_cpu_seconds"] / result["seconds"]))
    return points


def by_shards(seconds: float) -> dict:
    """What an event to 1,000 connections takes. Two shards need both cores and share them with the
    generator, so the latency says less than the CPU time that each shard spends on its part."""
    points = {"latency, p50": [], "CPU of a shard": []}
    for threads in (1, 2):
        with peers.Redis() as redis, \
                peers.Edge(redis, threads, PING_LATER, cpus={0, 1}) as edge:
            result = peers.load(edge, redis, {"connections": 1000, "seconds": seconds})
        points["latency, p50"].append((threads, result["p50_us"] / 1000))
        points["CPU of a shard"].append(
            (threads, result["peer_cpu_seconds"] / result["events"] / threads * 1000))
    return points


def by_streams(seconds: float) -> dict:
    points = {"raw": [], "typed": []}
    for streams in (1, 10, 100, 500):
        for name, server in (("raw", peers.GrpcServer), ("typed", peers.TypedGrpcServer)):
            with peers.Redis() as redis, server(redis) as peer:
                result = peers.grpc_load(peer, redis, {"streams": streams, "in_flight": 8,
                                                       "seconds": seconds})
            points[name].append((streams, us_per_delivery(result)))
    return points


def by_edges(seconds: float) -> dict:
    """CPU time of Redis per event; the edges only read."""
    series = {"PUBLISH": 0, "append, one a call": 1, "append, 64 a call": 64}
    return {name: [(edges, fleet.us_per_event(edges, in_a_call, seconds))
                   for edges in (1, 4, 16, 48)]
            for name, in_a_call in series.items()}


def run(seconds: float, out: pathlib.Path) -> None:
    PLOTS.mkdir(exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    kept = {}

    def draw(name: str, title: str, x_label: str, y_label: str, series: dict) -> None:
        kept[name] = series
        (PLOTS / f"{name}.svg").write_text(chart.lines(title, x_label, y_label, series),
                                           encoding="utf-8")
        (out / "growth.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        for line, points in series.items():
            print(f"{name:12} {line:12} "
                  + "  ".join(f"{chart.short(x)}: {y:.3g}" for x, y in points), flush=True)

    crowd = by_connections(seconds)
    draw("connections", "Cost of a delivery by connections", "connections", "server CPU, us",
         {name: crowd[name] for name in ("one room", "a room each")})
    draw("memory", "Memory of an idle connection", "connections", "RSS, kB", {"kB": crowd["kB"]})
    draw("connects", "Cost of a connect by size of the crowd", "connections", "server CPU, us",
         {"connects": crowd["connects"]})
    draw("rooms", "Cost of an event by rooms in the process", "rooms", "server CPU, us",
         {"event": by_rooms(seconds)})
    draw("payload", "Cost of a delivery by size of the payload", "bytes", "server CPU, us",
         {"delivery": by_payload(seconds)})
    draw("rate", "Load by events per second, 100 connections", "events per second", "cores",
         {"cores": by_rate(seconds)})
    draw("shards", "An event to 1,000 connections, two shared cores", "shards", "ms",
         by_shards(seconds))
    draw("edges", "Cost of an event to Redis by number of edges", "edges", "Redis CPU, us",
         by_edges(seconds))
    draw("streams", "gRPC: cost of a delivery by streams", "streams", "server CPU, us",
         by_streams(seconds))
