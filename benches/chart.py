"""The charts, as SVG that reads well on light and dark pages. It draws what report.Samples knows."""

import math
import statistics
from html import escape

from report import Samples, ratio

COLOURS = {
    "direct": "#8c959f", "HAProxy": "#e69f00", "Envoy": "#cc79a7", "twemproxy": "#009e73",
    "session": "#56b4e9", "shared": "#1f77d0",
}
OTHER_COLOURS = ("#d55e00", "#b8a800", "#7a5cc4", "#0f8f8f")
STYLE = """<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 11px; fill: #59636e }
.title { font-size: 14px; font-weight: 600 }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.one { stroke: #59636e; stroke-width: 1.5; stroke-dasharray: 4 3 }
.spread { stroke: #1f2328; stroke-width: 1.2 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.small { fill: #9198a1 }
.grid { stroke: #3d444d }
.one { stroke: #9198a1 }
.spread { stroke: #f0f6fc }
}
</style>"""
WIDTH = 860
BAR, GAP, GROUP_GAP = 12, 2, 14
LABELS, RIGHT, TOP, BOTTOM = 330, 60, 66, 44
RATIO_MAX = 1.6  # a bar that is longer is cut, and its figure says how long it is
PANEL_WIDTH, PANEL_HEIGHT, PANEL_LEFT, PANEL_TOP = 330, 170, 74, 92
PANEL_STEP = 250


def colour(samples, name):
    if name in COLOURS:
        return COLOURS[name]
    others = [each for each in samples.names if each not in COLOURS]
    return OTHER_COLOURS[others.index(name) % len(OTHER_COLOURS)]


def text(x, y, words, kind="", anchor="start", more=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}"{more}>'
            f"{escape(words)}</text>")


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def svg(height, title, parts):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">',
        STYLE, text(16, 24, title, "title"), *parts, "</svg>", "",
    ])


def legend(samples, names, y):
    parts, x = [], 16
    for name in names:
        parts.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" rx="2" '
                     f'fill="{colour(samples, name)}"/>')
        parts.append(text(x + 17, y, name))
        x += 34 + 7.5 * len(name)
    return parts


def throughput(samples):
    """Bars: the ratio to the reference, with the lowest and highest round."""
    parts = legend(samples, samples.others, 48)
    rows = samples.rows_with("rate")
    scale = (WIDTH - LABELS - RIGHT) / RATIO_MAX
    y = TOP
    bars = []
    for row in rows:
        height = len(samples.others) * (BAR + GAP)
        bars.append(text(LABELS - 10, y + height / 2 + 3, row["name"], anchor="end"))
        for name in samples.others:
            bars += bar(samples, row["key"], name, y, scale)
            y += BAR + GAP
        y += GROUP_GAP
    for step in range(0, int(RATIO_MAX * 10) + 1, 2):
        x = LABELS + step / 10 * scale
        parts.append(line(x, TOP - 4, x, y - GROUP_GAP + 4, "one" if step == 10 else "grid"))
        parts.append(text(x, y + 6, f"{step / 10:.1f}", "small", "middle"))
    axis = f"requests/s, ratio to {samples.reference} in the same round (more is better)"
    parts.append(text(LABELS + RATIO_MAX * scale / 2, y + 26, axis, "small", "middle"))
    return svg(y + BOTTOM, "Throughput", parts + bars)


def bar(samples, key, name, y, scale):
    figures = samples.against(key, name, "rate", ratio)
    if not figures:
        return [text(LABELS + 4, y + BAR - 2, "no figure", "small")]
    middle = statistics.median(figures)
    ends = [LABELS + min(value, RATIO_MAX) * scale for value in (min(figures), max(figures))]
    length = min(middle, RATIO_MAX) * scale
    return [
        f'<rect x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" rx="1.5" '
        f'fill="{colour(samples, name)}"/>',
        line(ends[0], y + BAR / 2, ends[1], y + BAR / 2, "spread"),
        text(max(ends[1], LABELS + length) + 5, y + BAR - 2, f"{middle:.2f}", "small"),
    ]


def growth(samples):
    """Four panels over the number of clients, which grows by powers of ten."""
    panels = [
        ("rate", "thousand requests/s", 1000), ("cpu_us", "proxy CPU per request, µs", 1),
        ("rss_kib", "resident memory of the proxy, MiB", 1024),
        ("opened", "connections at the server", 1),
    ]
    parts = legend(samples, samples.names, 48)
    for number, (metric, title, unit) in enumerate(panels):
        x = PANEL_LEFT + number % 2 * (PANEL_WIDTH + PANEL_LEFT + 20)
        y = PANEL_TOP + number // 2 * PANEL_STEP
        parts += panel(samples, metric, title, unit, x, y)
    return svg(PANEL_TOP + 2 * PANEL_STEP, "How cost grows with the number of clients", parts)


def panel(samples, metric, title, unit, left, top):
    rows = samples.rows_with(metric, growth=True)
    curves = {}
    for name in samples.names:
        medians = [(clients(row), samples.median(row["key"], name, metric)) for row in rows]
        points = [(count, value / unit) for count, value in medians if value is not None]
        if points:
            curves[name] = points
    counts = [clients(row) for row in rows]
    widest = max(math.log10(max(counts, default=10)), 1)
    high = nice_top(max((value for curve in curves.values() for _, value in curve), default=1))

    def place(count, value):
        return left + math.log10(count) / widest * PANEL_WIDTH, top + (1 - value / high) * PANEL_HEIGHT

    parts = [text(left, top - 8, title)]
    for step in range(5):
        y = place(1, high * step / 4)[1]
        parts.append(line(left, y, left + PANEL_WIDTH, y, "grid"))
        parts.append(text(left - 6, y + 4, f"{high * step / 4:,.4g}", "small", "end"))
    for count in counts:
        x = place(count, 0)[0]
        parts.append(text(x, top + PANEL_HEIGHT + 16, f"{count:,}", "small", "middle"))
    parts.append(text(left + PANEL_WIDTH / 2, top + PANEL_HEIGHT + 34,
                      "clients (logarithmic)", "small", "middle"))
    for name, curve in curves.items():
        parts += draw_curve([place(*point) for point in curve], colour(samples, name))
    return parts


def draw_curve(points, stroke):
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{stroke}"/>' for x, y in points]
    return [f'<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="2"/>', *dots]


def clients(row):
    return int(row["name"].replace(",", ""))


def nice_top(value):
    """The next number of the form 1, 2, 4 or 8 times a power of ten."""
    if value <= 0:
        return 1
    power = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 8, 10) if step * power >= value)


def drawings(results):
    """File names and their contents, for whatever was measured."""
    samples = Samples(results)
    drawn = {}
    if samples.others and samples.rows_with("rate"):
        drawn["throughput.svg"] = throughput(samples)
    if samples.rows_with("rate", growth=True):
        drawn["growth.svg"] = growth(samples)
    return drawn
