"""The tables, as Markdown, of what was measured. It reads samples and measures nothing."""

import statistics

GROWTH_PREFIX = "clients"
OF_PROXIES = ("cpu_us", "rss_kib")  # which nothing but a proxy has
NONE = "–"


class Samples:
    """Answers questions about the samples of one comparison."""

    def __init__(self, results):
        self.reference = results["reference"]
        self.names = [target["name"] for target in results["targets"]]
        self.others = [name for name in self.names if name != self.reference]
        self.proxies = [name for name in self.names if name != "direct"]
        self.rows = results["rows"]
        self.by_row = results["samples"]

    def all(self, key, name, metric):
        """One figure for each round, none where there is none."""
        return [sample and sample.get(metric) for sample in self.by_row[key][name]]

    def known(self, key, name, metric):
        return [figure for figure in self.all(key, name, metric) if figure is not None]

    def median(self, key, name, metric):
        known = self.known(key, name, metric)
        return statistics.median(known) if known else None

    def against(self, key, name, metric, how):
        """`how` of its figure and the reference's in each round that has both."""
        mine, other = self.all(key, name, metric), self.all(key, self.reference, metric)
        pairs = [(a, b) for a, b in zip(mine, other) if a is not None and b is not None]
        return [how(a, b) for a, b in pairs if b or how is difference]

    def rows_with(self, metric, growth=False):
        """Rows in which anything was measured so, either those of growth or the others."""
        return [
            row for row in self.rows
            if row["key"].startswith(GROWTH_PREFIX) == growth
            and any(self.known(row["key"], name, metric) for name in self.names)
        ]


def ratio(mine, other):
    return mine / other


def difference(mine, other):
    return mine - other


def spread(figures, form="{:.2f}"):
    if not figures:
        return NONE
    low, middle, high = map(form.format, (min(figures), statistics.median(figures), max(figures)))
    return f"**{middle}** ({low} to {high})" if len(figures) > 1 else f"**{middle}**"


def figure(value, form):
    return NONE if value is None else form.format(value)


def table(title, heads, lines):
    rule = "|---" * len(heads) + "|"
    rows = ["| " + " | ".join(cells) + " |" for cells in [heads, *lines]]
    return "\n".join([f"### {title}", "", rows[0], rule, *rows[1:], ""]) if lines else ""


def throughput(samples):
    lines = []
    for row in samples.rows_with("rate"):
        key = row["key"]
        cells = [row["name"], figure(samples.median(key, samples.reference, "rate"), "{:,.0f}")]
        cells += [spread(samples.against(key, name, "rate", ratio)) for name in samples.others]
        lines.append(cells)
    heads = ["load", f"{samples.reference}, requests/s", *samples.others]
    return table(f"Throughput, ratio to {samples.reference}", heads, lines)


def cpu(samples):
    lines = []
    for row in samples.rows_with("cpu_us"):
        cells = [samples.known(row["key"], name, "cpu_us") for name in samples.proxies]
        lines.append([row["name"], *(spread(cell, "{:.1f}") for cell in cells)])
    return table("CPU time of the proxy per request, microseconds", ["load", *samples.proxies], lines)


def cpu_ratio(samples):
    """Only where the reference is a proxy itself, as when two builds are compared."""
    lines = []
    for row in samples.rows_with("cpu_us"):
        if samples.known(row["key"], samples.reference, "cpu_us"):
            against = [samples.against(row["key"], name, "cpu_us", ratio) for name in samples.others]
            lines.append([row["name"], *map(spread, against)])
    return table(f"CPU time per request, ratio to {samples.reference}",
                 ["load", *samples.others], lines)


def latency(samples):
    lines = []
    for row in samples.rows_with("p99_ms"):
        for metric, title in (("p50_ms", "median"), ("p99_ms", "99th percentile")):
            mine = figure(samples.median(row["key"], samples.reference, metric), "{:.2f}")
            cells = [f"{row['name']}: {title}", mine]
            for name in samples.others:
                cells.append(spread(samples.against(row["key"], name, metric, difference), "{:+.2f}"))
            lines.append(cells)
        late = [samples.median(row["key"], name, "late_p99_ms") for name in samples.names]
        cells = ["99th percentile of how late requests left (part of the above)"]
        lines.append(cells + [figure(value, "{:.2f}") for value in in_order(samples, late)])
    heads = ["open loop, from the intended moment", f"{samples.reference}, ms", *samples.others]
    return table(f"Latency, milliseconds above {samples.reference}", heads, lines)


def isolation(samples):
    """By how much one client slows the others down; a table by itself, for it compares nobody."""
    lines = []
    for row in samples.rows_with("isolation"):
        cells = []
        for name in samples.names:
            quiet, disturbed = (samples.median(row["key"], name, metric)
                                for metric in ("quiet_p99_ms", "disturbed_p99_ms"))
            ratios = spread(samples.known(row["key"], name, "isolation"))
            figures = f"{figure(quiet, '{:.2f}')} to {figure(disturbed, '{:.2f}')}"
            cells.append(NONE if quiet is None else f"{ratios}: {figures} ms")
        lines.append([row["name"], *cells])
    return table("Isolation: 99th percentile of 50 clients' reads, with to without, and both",
                 ["", *samples.names], lines)


def in_order(samples, figures):
    """Of all names, with the reference first."""
    by_name = dict(zip(samples.names, figures))
    return [by_name[name] for name in [samples.reference, *samples.others]]


def memory(samples):
    lines = []
    for row in samples.rows_with("rss_kib"):
        cells = [spread(samples.known(row["key"], name, "rss_kib")) for name in samples.proxies]
        lines.append([row["name"], *cells])
    return table("Resident memory of the proxy per idle client, KiB",
                 ["clients", *samples.proxies], lines)


def opened(samples):
    lines = []
    for metric, note in (("opened", ""), ("opened_per_1000", ": per 1,000 of these")):
        for row in samples.rows_with(metric):
            medians = [samples.median(row["key"], name, metric) for name in samples.names]
            lines.append([row["name"] + note, *(figure(value, "{:,.0f}") for value in medians)])
    return table("Connections that the server had to accept", ["load", *samples.names], lines)


def growth(samples):
    titles = {
        "rate": ("requests/s", "{:,.0f}", 1), "cpu_us": ("CPU per request, µs", "{:.1f}", 1),
        "rss_kib": ("resident memory of the proxy, MiB", "{:.1f}", 1024),
        "opened": ("connections that the server had to accept", "{:,.0f}", 1),
    }
    parts = []
    for metric, (title, form, unit) in titles.items():
        names = samples.proxies if metric in OF_PROXIES else samples.names
        lines = []
        for row in samples.rows_with(metric, growth=True):
            known = [samples.known(row["key"], name, metric) for name in names]
            cells = [[value / unit for value in values] for values in known]
            lines.append([row["name"], *(spread(cell, form) for cell in cells)])
        parts.append(table(f"By number of clients: {title}", ["clients", *names], lines))
    return "\n".join(part for part in parts if part)


def conditions(results):
    of = results["machine"]
    versions = ", ".join(f"{each['name']} {each['version']}" for each in results["targets"]
                         if each["name"] != "direct")
    lines = [
        f"{results['date']}, interleaved rounds: {results['rounds']}. Median (lowest to highest round).",
        f"{of['cores']} cores ({of['kind']}) and {of['memory_gib']} GiB, {of['system']}, shared by "
        f"client, proxy and server; {of['server']}; {of['benchmark']}.",
        f"Versions: {versions}." if versions else "",
        f"Load average at the end: {results.get('load_average', 'unknown')}.",
    ]
    if results["quick"]:
        lines.append("**A smoke run: one short round, whose figures mean little.**")
    return "\n".join(line for line in lines if line)


def markdown(results):
    """The whole page."""
    samples = Samples(results)
    tables = [
        throughput(samples), cpu(samples), cpu_ratio(samples), latency(samples), isolation(samples),
        memory(samples), opened(samples), growth(samples),
    ]
    notes = "\n".join(f"- {note}" for note in results["notes"])
    parts = ["## Measured side by side", conditions(results), *tables]
    parts += ["### Left out", notes] if notes else []
    return "\n\n".join(part.strip() for part in parts if part) + "\n"
