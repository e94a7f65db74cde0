"""The table that is printed."""


def seconds(value):
    if value < 1:
        return f"{value:.3f} s"
    return f"{value:.2f} s" if value < 100 else f"{value:.0f} s"


def size(value):
    if value is None:
        return "-"
    for unit in ("B", "KB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.2f} GB"


HEAD = ("builder", "median", "min", "max", "ratio", "peak memory", "written", "")


def row(label, figures):
    if "reason" in figures:
        return (label, figures["reason"])
    time = figures["seconds"]
    more = [f"image {size(figures['image_bytes']['median'])}"] if "image_bytes" in figures else []
    if "pip_seconds" in figures:
        more.append(f"without pip's own time {seconds(figures['without_pip_seconds']['median'])}")
    return (label, seconds(time["median"]), seconds(time["min"]), seconds(time["max"]),
            f"{figures['ratio']:.2f}x" if "ratio" in figures else "-", size(figures["peak_bytes"]["median"]),
            size(figures["written_bytes"]["median"]), ", ".join(more))


def table(result):
    """One workload's figures as lines."""
    rows = [HEAD] + [row(label, figures) for label, figures in result["builders"].items()]
    widths = [max(len(row[column]) for row in rows if len(row) == len(HEAD)) for column in range(len(HEAD) - 1)]
    widths[0] = max(len(row[0]) for row in rows)
    lines = [f"{result['name']}: {result['title']}"]
    for cells in rows:
        if len(cells) == 2:
            lines.append(f"  {cells[0]:<{widths[0]}}  {cells[1]}")
        else:
            line = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells[1:-1], widths[1:]))
            lines.append(f"  {cells[0]:<{widths[0]}}  {line}  {cells[-1]}".rstrip())
    loads = [load for figures in result["builders"].values() for load in figures.get("load", {}).get("all", [])]
    if loads:
        lines.append(f"  load of the machine when a run began: {min(loads):.1f} to {max(loads):.1f}")
    return "\n".join(lines)


def heading(document):
    machine = document["machine"]
    lines = [f"{machine['processors']} x {machine['processor']}, {size(machine['memory_bytes'])}, Linux "
             f"{machine['kernel']}, {machine['file_system']}, {document['runs']} runs, scale {document['scale']:g}"]
    for label, peer in document["builders"].items():
        idle = peer["idle_bytes"]
        lines.append(f"{label}: {peer['version']}" + (f"; idle {size(idle)}" if idle is not None else "; no daemon"))
        lines += [f"  {note}" for note in peer["notes"]]
    lines += [f"{label}: not compared: {reason}" for label, reason in document["absent"].items()]
    return "\n".join(lines)
