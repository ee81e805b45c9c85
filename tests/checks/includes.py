"""Checks that includes point one way only. Run: python3 includes.py [--self-test]

Three tables say all: the layers of this repository, lowest first; what a part may reach outside of
that order; and which folder may use which third-party library. tests/ may use everything.
"""

import fnmatch
import pathlib
import re
import subprocess
import sys
import tempfile

# Lowest first: a file includes only files of its own layer and of lower ones. The first pattern
# that matches a path decides; a file that matches none is an error: a new one is given its place.
LAYERS = [
    ("words", [
        "core/envelope.*", "core/room.*", "core/position.*", "core/error.*", "core/result.*",
        "core/close_reason.*", "core/clock.*", "core/uuid.*", "core/string_map.*",
        "core/sparse_table.*", "core/prefetch.*",
        "core/journal_options.*",
        # Not state: call sites of every layer log and count.
        "core/log.h", "core/metrics.h",
    ]),
    ("rules", [
        "core/log.cc", "core/metrics.cc",
        "core/json/*", "core/envelope_codec.*", "core/frame_arena.*", "core/publication.*", "core/room_policy.*",
        # The hub delivers to subscribers: the interface comes before the state that holds it.
        "core/subscriber.*",
        # Protocols are plain code without sockets.
        "edge/websocket/*", "edge/engineio/*", "edge/socketio/*", "edge/sse/*",
    ]),
    ("state", [
        "core/hub.*", "core/room_interest.*", "core/outbound_queue.*", "core/replay_gate.*",
        "core/replay_window.*",
        "core/timer_wheel.*",
    ]),
    ("ports", ["core/broker.*", "core/journal.*"]),
    ("adapters", ["core/broker_thread.*", "core/memory/*", "core/redis/*"]),
    ("runtime", ["core/runtime/*", "core/settings*"]),
    ("main", [
        "*/main.cc", "*_main.cc", "gateway/*", "server/notifyctl/*",
        "publisher-client/example*",
    ]),
    ("publisher-client", ["publisher-client/*"]),
    ("edge", ["edge/*"]),
    ("server", ["server/*"]),
]
ORDER = {name: rank for rank, (name, _) in enumerate(LAYERS)}
ORDER["edge"] = ORDER["server"] = ORDER["publisher-client"] = ORDER["runtime"] + 1
ORDER["main"] = ORDER["runtime"] + 2

# The parts at the top do not know one another, and the publisher client is to stay small: a platform
# team must not pull a web server to publish an event.
SEPARATE = {
    "edge": ["server/*", "publisher-client/*"],
    "server": ["edge/*", "publisher-client/*"],
    "publisher-client": ["server/*", "edge/*", "core/hub.*", "core/subscriber.*", "core/broker.*",
                         "core/journal.*", "core/room_interest.*", "core/outbound_queue.*",
                         "core/memory/*", "core/redis/redis_*", "core/runtime/*",
                         "core/settings*", "core/metrics.*"],
}

# What is included -> where it may be.
LIBRARIES = [
    ("hiredis", r"hiredis/", ["core/redis/*"]),
    ("Beast", r"boost/beast", ["edge/*"]),
    ("gRPC", r"(grpc|grpcpp)(/|\.)|.*\.grpc\.pb\.h$", ["server/*", "gateway/*"]),
    ("protobuf", r"google/protobuf/|.*\.pb\.h$", ["server/*", "gateway/*"]),
    ("prometheus-cpp", r"prometheus/", ["core/metrics.cc", "core/runtime/*"]),
    ("GoogleTest", r"(gtest|gmock)/", []),
    # Installed headers of the publisher client show nothing of what it is made of.
    ("Asio, Abseil or core", r"(boost|absl|core)/",
     ["core/*", "edge/*", "server/*", "gateway/*", "publisher-client/*.cc",
      "publisher-client/[!i]*"]),
]

PRODUCTION = ("core/", "edge/", "server/", "gateway/", "publisher-client/")
_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def matches(path: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def layer_of(path: str) -> str | None:
    # What makes a program is asked first: edge/main.cc is no part of the edge.
    ordered = sorted(LAYERS, key=lambda layer: layer[0] != "main")
    return next((name for name, patterns in ordered if matches(path, patterns)), None)


def resolve(root: pathlib.Path, included: str) -> str | None:
    """The path of an included file of this repository, from its root; None for any other."""
    for base in ("", "publisher-client/include/"):
        if (root / base / included).is_file():
            return base + included
    return None


def check(root: pathlib.Path, files: list[str]) -> list[str]:
    problems = []
    for path in files:
        if not path.startswith(PRODUCTION):
            continue
        own_layer = layer_of(path)
        if own_layer is None:
            problems.append(f"{path}: has no layer yet, give it one in tests/checks/includes.py")
            continue
        text = (root / path).read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            found = _INCLUDE.match(line)
            if found:
                problems += [f"{path}:{number}: {problem}" for problem in
                             judge(root, path, own_layer, found[2], found[1] == '"')]
    return problems


def judge(root: pathlib.Path, path: str, own_layer: str, included: str, quoted: bool) -> list[str]:
    problems = []
    for library, pattern, allowed in LIBRARIES:
        if re.match(pattern, included) and not matches(path, allowed):
            problems.append(f"{included}: {library} may not be included here")
    target = resolve(root, included)
    if target is None:
        if quoted and not included.endswith(".pb.h"):
            problems.append(f"{included}: is not a path from the repository's root")
        return problems
    if target.startswith("tests/"):
        problems.append(f"{included}: production code includes a test")
    target_layer = layer_of(target)
    if target_layer and ORDER[target_layer] > ORDER[own_layer]:
        problems.append(f"{included}: {own_layer} may not know {target_layer}")
    if matches(target, SEPARATE.get(own_layer, [])):
        problems.append(f"{included}: {own_layer} may not know this")
    return problems


def self_test() -> list[str]:
    """Breaks each rule once in a scratch tree; what is not caught is returned."""
    fine = {
        "core/room.h": "", "core/broker.h": '#include "core/room.h"', "core/hub.h": "",
        "core/redis/connection.h": "", "edge/listener.h": "#include <boost/beast/http.hpp>",
        "core/redis/connection.cc": "#include <hiredis/hiredis.h>",
        "core/runtime/shard.h": '#include "core/hub.h"', "server/service.h": "#include <grpcpp/x.h>",
        "edge/main.cc": '#include "edge/listener.h"\n#include "server/service.h"',
        "publisher-client/queue.cc": '#include "core/redis/connection.h"',
        "publisher-client/include/notifications/publisher.h": "#include <string>",
        "tests/support/redis.h": "", "tests/unit/hub_test.cc": "#include <hiredis/hiredis.h>",
    }
    broken = {
        "core/room.h": ['#include "core/broker.h"', "#include <hiredis/hiredis.h>",
                        '#include "tests/support/redis.h"', '#include "room.h"',
                        "#include <grpcpp/grpcpp.h>", "#include <gtest/gtest.h>"],
        "core/hub.h": ['#include "core/runtime/shard.h"', "#include <boost/beast/core.hpp>",
                       '  #  include "core/broker.h"'],
        "core/redis/connection.cc": ['#include "edge/listener.h"'],
        "edge/listener.h": ['#include "server/service.h"',
                            '#include "notifications/v1/gateway.grpc.pb.h"'],
        "server/service.h": ['#include "edge/listener.h"', "#include <boost/beast/http.hpp>"],
        "publisher-client/queue.cc": ['#include "core/hub.h"', "#include <grpcpp/grpcpp.h>",
                                      "#include <boost/beast/core.hpp>",
                                      '#include "core/runtime/shard.h"'],
        "publisher-client/include/notifications/publisher.h": [
            '#include "core/room.h"', "#include <boost/asio.hpp>", "#include <absl/a.h>"],
        "core/nowhere.h": [""],
    }
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in fine.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        missed += [f"wrongly refused: {problem}" for problem in check(root, list(fine))]
        for path, lines in broken.items():
            for line in lines:
                (root / path).write_text(line)
                if not check(root, [path]):
                    missed.append(f"not caught: {line!r} in {path}")
            (root / path).write_text(fine.get(path, ""))
    return missed


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        problems = self_test()
    else:
        root = pathlib.Path(__file__).resolve().parents[2]
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.h", "*.cc"],
            cwd=root, capture_output=True, text=True, check=True).stdout.split()
        files = [path for path in listed if (root / path).is_file()]
        problems = check(root, files) if files else ["no sources found"]
    print("\n".join(problems) or "ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
