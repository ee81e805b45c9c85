#!/usr/bin/python3
"""Runs the benchmarks: `make bench`, or

    tests/bench/run.py                   three rounds; the peers take turns within each
    tests/bench/run.py --quick           one short round, under two minutes
    tests/bench/run.py --rows F1,S       some rows only
    tests/bench/run.py --growth          how cost grows, with plots into tests/bench/plots/
    tests/bench/run.py --micro           the micro-benchmarks

Results go to build/bench/: results.json, results.svg. See: BENCHMARKS.md.
"""

import argparse
import subprocess
import sys
import time

from runner import chart, growth, peers, report
from runner.rows import ROWS, Results, measure

OUT = peers.ROOT / "build" / "bench"
MICRO = peers.BIN / "notifications_micro"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Runs the benchmarks.")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, help="default: 3; quick: 1")
    parser.add_argument("--seconds", type=float, help="of each measurement; default: 2; quick: 0.7")
    parser.add_argument("--rows", default="", help="names, separated by commas")
    parser.add_argument("--growth", action="store_true", help="how cost grows")
    parser.add_argument("--micro", action="store_true", help="the micro-benchmarks")
    options = parser.parse_args()
    if options.rounds is not None and not 1 <= options.rounds <= 100:
        parser.error("--rounds: 1 to 100")
    if options.seconds is not None and not 0.1 <= options.seconds <= 60:
        parser.error("--seconds: 0.1 to 60")
    return options


def chosen_rows(names: str) -> list:
    if not names:
        return ROWS
    wanted = names.split(",")
    unknown = set(wanted) - {row.name for row in ROWS}
    if unknown:
        sys.exit(f"run.py: no row {unknown.pop()!r}; there are: "
                 + " ".join(row.name for row in ROWS))
    return [row for row in ROWS if row.name in wanted]


def compare(options: argparse.Namespace) -> None:
    rounds = options.rounds or (1 if options.quick else 3)
    seconds = options.seconds or (0.7 if options.quick else 2)
    results = Results()
    began = time.monotonic()
    for number in range(rounds):
        for row in chosen_rows(options.rows):
            for peer in row.peers:
                result = measure(row, peer, seconds)
                results.add(row, peer, result)
                print(f"round {number + 1} {row.name:5} {peer:8}"
                      f" {report.number(row.value(result)):>9} {row.unit}", flush=True)
    OUT.mkdir(parents=True, exist_ok=True)
    report.save(results, OUT / "results.json")
    groups = [(f"{row.name} ({row.unit})",
               {report.NAMES[peer]: results.median(row, peer) for peer in row.peers})
              for row in ROWS if row.name in results.runs]
    (OUT / "results.svg").write_text(chart.bars("Cost by workload", groups), encoding="utf-8")
    machine = report.machine()
    print(f"\n{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']};"
          f" {rounds} rounds of {seconds} s in {time.monotonic() - began:.0f} s;"
          " peers on core 0, generator and Redis on core 1\n")
    print(report.table(results))
    print()
    print(report.throughput(results))
    print("\nwritten: build/bench/results.json, build/bench/results.svg")


def main() -> int:
    options = parse()
    if options.micro:
        return subprocess.run([MICRO], check=False).returncode
    if options.growth:
        growth.run(options.seconds or 1.5, OUT)
        return 0
    compare(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
