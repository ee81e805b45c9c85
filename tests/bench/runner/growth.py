"""How cost grows along one axis at a time; each is drawn into tests/bench/plots/."""

import json
import pathlib

from . import chart, peers, rows

PLOTS = pathlib.Path(__file__).resolve().parents[1] / "plots"


def run(seconds: float, out: pathlib.Path) -> None:
    raise SystemExit("not yet")
