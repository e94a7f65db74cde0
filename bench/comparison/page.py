"""The comparison as one HTML page: a table and a plot for each workload, nothing loaded from elsewhere."""
import html

from comparison import report
from comparison.plot import bars
from comparison.results import MEASURES

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem }
th, td { padding: .2rem .5rem; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child, td.reason { text-align: left } td.reason { color: #666 }
dt { font-weight: 600 } dd { margin: 0 0 .4rem 1rem } svg { width: 100%; height: auto; margin: .6rem 0 }
"""


def _row(cells, mark):
    inner = "".join(f"<{mark}>{html.escape(cell)}</{mark}>" for cell in cells)
    if len(cells) == 2:
        inner = (f"<td>{html.escape(cells[0])}</td><td class=reason colspan={len(report.HEAD) - 1}>"
                 f"{html.escape(cells[1])}</td>")
    return f"<tr>{inner}</tr>"


def _workload(result):
    rows = [_row(report.row(label, figures), "td") for label, figures in result["builders"].items()]
    return (f"<h2>{html.escape(result['name'])}</h2><p>{html.escape(result['title'])}</p>"
            f"{bars(result['builders'])}<table>{_row(report.HEAD, 'th')}{''.join(rows)}</table>")


def page(document):
    measures = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in MEASURES.items())
    return (f"<!doctype html><html lang=en><meta charset=utf-8><title>Kiln compared</title><style>{STYLE}</style>"
            f"<h1>Kiln compared with other builders</h1><p>{document['machine']['date']}</p>"
            f"<pre>{html.escape(report.heading(document))}</pre>"
            "<p>Bars: the median of all runs; lines: the fastest and the slowest run. ratio: how many times as long as "
            f"Kiln, by the medians.</p>{''.join(map(_workload, document['workloads']))}"
            f"<h2>What is measured</h2><dl>{measures}</dl></html>\n")
