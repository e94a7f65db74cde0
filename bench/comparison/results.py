"""Figures of a comparison as plain data: what the JSON has, and what the table and the page are made of."""
import statistics

MEASURES = {
    "seconds": "wall time of the commands, first start to last end",
    "peak_bytes": "resident memory of all processes of the builder at most, daemons, clients and steps, a page that "
                  "several share counted once: looked at every 20 ms; or what the kernel kept as one daemon's peak, "
                  "where that is more",
    "written_bytes": "write_bytes of /proc/PID/io of all its processes: what they gave the page cache to write to "
                     "disk; processes that ended and were waited for are in it",
}


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "all": values}


def of_outcome(outcome):
    if not outcome.samples:
        return {"reason": outcome.reason or "not run"}
    result = {field: spread([getattr(sample, field) for sample in outcome.samples])
              for field in ("seconds", "peak_bytes", "written_bytes", "load")}
    for name in outcome.samples[0].extra:
        result[name] = spread([sample.extra[name] for sample in outcome.samples])
    return result


def of_workload(workload, outcomes):
    """With each builder's ratio: how many times as long as Kiln it took, by the medians."""
    builders = {label: of_outcome(outcome) for label, outcome in outcomes.items()}
    ours = builders.get("kiln", {}).get("seconds")
    for figures in builders.values():
        if ours and "seconds" in figures:
            figures["ratio"] = figures["seconds"]["median"] / ours["median"]
    return {"name": workload.name, "title": workload.title, "builders": builders}
