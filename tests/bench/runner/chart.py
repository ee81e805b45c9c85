"""Draws small SVG charts: bars for the table, lines for how cost grows."""

import math

WIDTH, HEIGHT = 520, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 40, 44
COLOURS = ["#2563eb", "#9ca3af", "#16a34a", "#ea580c"]


def _text(x: float, y: float, text: str, anchor: str = "middle", size: int = 11,
          extra: str = "") -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{extra}>'
            f"{escaped}</text>")


def _frame(title: str, body: list[str], width: int = WIDTH, height: int = HEIGHT) -> str:
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" fill="#111827">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(LEFT, 18, title, "start", 13), *body, "</svg>", ""])


def short(value: float) -> str:
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def ticks(low: float, high: float, logarithmic: bool) -> list[float]:
    if logarithmic:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        return [10.0 ** power for power in range(first, last + 1) if low <= 10.0 ** power <= high]
    step = 10 ** math.floor(math.log10(high or 1))
    step = next(s for s in (step / 5, step / 2, step, step * 2) if high / s <= 6)
    return [step * i for i in range(int(high / step) + 1)]


def lines(title: str, x_label: str, y_label: str,
          series: dict[str, list[tuple[float, float]]]) -> str:
    """One line for each series, over a logarithmic x axis if it spans more than a decade."""
    points = [point for line in series.values() for point in line]
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    x_low, x_high, y_high = min(xs), max(xs), max(ys) * 1.1
    log = x_low > 0 and x_high / x_low > 10
    span = (math.log(x_high / x_low) if log else x_high - x_low) or 1

    def at(x: float, y: float) -> tuple[float, float]:
        share = (math.log(x / x_low) if log else x - x_low) / span
        return (LEFT + share * (WIDTH - LEFT - RIGHT),
                HEIGHT - BOTTOM - y / y_high * (HEIGHT - TOP - BOTTOM))

    body = []
    for y in ticks(0, y_high, False):
        _, py = at(x_low, y)
        body.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{py:.1f}" y2="{py:.1f}" '
                    'stroke="#e5e7eb"/>')
        body.append(_text(LEFT - 6, py + 4, short(y), "end"))
    for x in sorted(set(xs)):
        px, _ = at(x, 0)
        body.append(_text(px, HEIGHT - BOTTOM + 16, short(x)))
    body.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_label))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    body.append(_text(14, middle, y_label, extra=f' transform="rotate(-90 14 {middle:.0f})"'))
    for index, (name, line) in enumerate(series.items()):
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in (at(x, y) for x, y in line))
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for px, py in (at(x, y) for x, y in line):
            body.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>')
        if len(series) > 1:
            body.append(_text(WIDTH - RIGHT, 32 + 14 * index, name, "end",
                              extra=f' fill="{colour}"'))
    return _frame(title, body)


def bars(title: str, groups: list[tuple[str, dict[str, float]]]) -> str:
    """Groups of bars, each scaled to its own largest value, which is written above it."""
    names = list(dict.fromkeys(name for _, values in groups for name in values))
    slot = (760 - LEFT) / max(1, len(groups))
    height = HEIGHT + 20
    body = []
    for g, (label, values) in enumerate(groups):
        top = max(values.values()) or 1
        width = slot * 0.8 / len(names)
        for name, value in values.items():
            i = names.index(name)
            x = LEFT / 2 + g * slot + slot * 0.1 + i * width
            h = value / top * (HEIGHT - TOP - BOTTOM - 20)
            y = HEIGHT - BOTTOM - h
            body.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width * 0.9:.1f}" '
                        f'height="{h:.1f}" fill="{COLOURS[i % len(COLOURS)]}"/>')
            body.append(_text(x + width * 0.45, y - 4, short(value), size=9))
        body.append(_text(LEFT / 2 + (g + 0.5) * slot, HEIGHT - BOTTOM + 16, label, size=10))
    for i, name in enumerate(names):
        body.append(_text(LEFT + i * 90, HEIGHT + 6, name, "start",
                          extra=f' fill="{COLOURS[i % len(COLOURS)]}"'))
    return _frame(title, body, 760, height)
