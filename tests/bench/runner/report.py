"""Prints the results as a table and keeps them as JSON."""

import json
import os
import pathlib
import platform

from .rows import ROWS, Results, Row

NAMES = {"edge": "edge", "journal": "journal on", "floor": "floor", "node": "Node", "raw": "raw",
         "typed": "typed"}


def number(value: float | None) -> str:
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 1 else f"{value:.2f}"


def verdict(row: Row, results: Results) -> tuple[str, str]:
    """What was reached, and whether that is what was to be reached."""
    ours = row.peers[0]
    if row.limit is not None:
        value = results.median(row, ours)
        return number(value), _met(value is not None and value <= row.limit)
    ratio = results.ratio(row, ours, row.target.other)
    if ratio is None:
        return "-", "-"
    good = ratio >= row.target.bound if row.target.at_least else ratio <= row.target.bound
    return f"{ratio:.3f}", _met(good)


def _met(good: bool) -> str:
    return "yes" if good else "NO"


def table(results: Results) -> str:
    lines = [f"{'row':5} {'unit':12} {'ours':>9} {'floor':>9} {'Node':>9} {'p50 us':>9} {'p99 us':>9}"
             f" {'reached':>8}  {'to reach':30} met"]
    for row in ROWS:
        if row.name not in results.runs:
            continue
        ours = row.peers[0]
        reached, met = verdict(row, results)
        goal = row.target.text if row.target else f"<= {row.limit} {row.unit}"
        lines.append(
            f"{row.name:5} {row.unit:12} {number(results.median(row, ours)):>9}"
            f" {number(results.median(row, 'floor')):>9} {number(results.median(row, row.compared)):>9}"
            f" {number(results.latency(row, ours, 'p50_us')):>9}"
            f" {number(results.latency(row, ours, 'p99_us')):>9} {reached:>8}  {goal:30} {met}")
    lines.append("reached: the median of the rounds' ratios. The Node column holds for G one typed"
                 " write per stream,\nfor the rows with J the same with the journal off, for R a plain"
                 " connect.")
    return "\n".join(lines)


def throughput(results: Results) -> str:
    lines = ["deliveries per second (wall clock, generator included) and latency p50 / p99 in us"]
    for row in ROWS:
        for peer, runs in results.runs.get(row.name, {}).items():
            if not row.publishes or not runs:
                continue
            rates = sorted(run["deliveries"] / run["seconds"] for run in runs)
            lines.append(f"  {row.name:5} {NAMES[peer]:10} {rates[len(rates) // 2]:>12,.0f}/s"
                         f" {number(results.latency(row, peer, 'p50_us')):>9} /"
                         f" {number(results.latency(row, peer, 'p99_us'))}")
    return "\n".join(lines)


def machine() -> dict:
    cpu = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": platform.release(),
            "load_average": os.getloadavg()}


def save(results: Results, path: pathlib.Path) -> None:
    rows = {}
    for row in ROWS:
        if row.name in results.runs:
            rows[row.name] = {
                "title": row.title, "unit": row.unit,
                "median": {peer: results.median(row, peer) for peer in results.runs[row.name]},
                "reached": verdict(row, results)[0], "met": verdict(row, results)[1],
                "runs": results.runs[row.name]}
    path.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n",
                    encoding="utf-8")
