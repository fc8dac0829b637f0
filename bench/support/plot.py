"""Small SVG plots."""

from math import ceil, floor, log10

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 80, 20, 60, 50
COLOURS = ["#1f77b4", "#d62728", "#2ca02c"]


def log_plot(title: str, axis: str, xs: list[float], series: list[tuple[str, list[float]]]) -> str:
    """The series over `xs`, each with its values written at its points."""
    values = [value for _, line in series for value in line]
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    first, last = log10(xs[0]), log10(xs[-1])

    def place(x: float, y: float) -> tuple[float, float]:
        across = (log10(x) - first) / (last - first)
        up = (log10(y) - low) / (high - low)
        return (LEFT + across * (WIDTH - LEFT - RIGHT - 60) + 20, HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
        'font-size="12"><rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="15">{title}</text>',
        f'<text x="{WIDTH // 2}" y="{HEIGHT - 10}" text-anchor="middle">{axis}</text>',
    ]
    for power in range(low, high + 1):
        _, y = place(xs[0], 10.0**power)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10**power:,}</text>')
    for x in xs:
        across, _ = place(x, 10.0**low)
        parts.append(f'<text x="{across:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x:,}</text>')
    for number, (name, line) in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        points = [place(x, y) for x, y in zip(xs, line)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for (x, y), value in zip(points, line):
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
            parts.append(f'<text x="{x + 6:.1f}" y="{y - 8:.1f}" fill="{colour}">{value:,.0f}</text>')
        parts.append(f'<text x="{LEFT + number * 300}" y="42" fill="{colour}">● {name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def line_plot(title: str, x_axis: str, y_axis: str, points: list[tuple[float, float]]) -> str:
    """One line over linear axes that begin at 0; of many points only some hundred are drawn."""
    points = points[::max(1, len(points) // 300)]
    right, top = max(x for x, _ in points) or 1, max(y for _, y in points) * 1.2 or 1

    def place(x: float, y: float) -> tuple[float, float]:
        return (LEFT + x / right * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
        'font-size="12"><rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="15">{title}</text>',
        f'<text x="{WIDTH // 2}" y="{HEIGHT - 10}" text-anchor="middle">{x_axis}</text>',
        f'<text x="{LEFT}" y="42">{y_axis}</text>',
    ]
    for part in range(5):
        x, y = right * part / 4, top * part / 4
        across, up = place(x, y)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up:.1f}" y2="{up:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{up + 4:.1f}" text-anchor="end">{y:,.0f}</text>')
        parts.append(f'<text x="{across:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x:,.0f}</text>')
    path = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in points)
    parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[0]}" stroke-width="2"/>')
    return "\n".join([*parts, "</svg>", ""])
