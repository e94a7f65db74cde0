"""Bars with their spread, as SVG."""
import html

from comparison import report

WIDTH, LABEL, VALUE, ROW = 900, 140, 110, 30
OURS, OTHERS = "#c2410c", "#64748b"


def bars(builders):
    """One bar a builder for its seconds: "" when nobody has any."""
    rows = [(label, figures["seconds"]) for label, figures in builders.items() if "seconds" in figures]
    if not rows:
        return ""
    scale = (WIDTH - LABEL - VALUE) / (max(time["max"] for _, time in rows) or 1)
    drawn = []
    for index, (label, time) in enumerate(rows):
        top = index * ROW
        middle = top + ROW / 2
        low, high = LABEL + time["min"] * scale, LABEL + time["max"] * scale
        drawn.append(
            f'<text x="{LABEL - 8}" y="{middle + 5}" text-anchor="end">{html.escape(label)}</text>'
            f'<rect x="{LABEL}" y="{top + 6}" width="{max(1, time["median"] * scale):.1f}" height="{ROW - 12}" '
            f'fill="{OURS if label == "kiln" else OTHERS}"/>'
            f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 5}v10M{high:.1f} {middle - 5}v10" '
            f'stroke="#000" fill="none"/>'
            f'<text x="{high + 8:.1f}" y="{middle + 5}">{report.seconds(time["median"])}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {len(rows) * ROW}" '
            f'font-family="system-ui, sans-serif" font-size="14" role="img">{"".join(drawn)}</svg>')
