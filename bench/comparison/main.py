"""The command: what is asked for, what is done with it, in order."""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import signal
import sys
import tempfile

from comparison import machine, page, peers, processes, report, results, workloads
from comparison.install import install_missing
from comparison.runner import Runner, idle_memory
from comparison.site import SOURCE, Site
from comparison.verify import Verifier

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def family(name):
    """What several workloads' names begin with: "pull" of "pull-40"."""
    return name.split("-")[0]


def arguments():
    names = [workload.name for workload in workloads.ALL]
    families = [word for word, count in collections.Counter(map(family, names)).items() if count > 1]
    parser = argparse.ArgumentParser(prog="bench/compare", description=(
        "Runs the same work with Kiln and the other builders, interleaved, checks each result, and compares."),
        epilog=f"Workloads: {', '.join(names)}; several: {', '.join(families)}. Builders: {', '.join(peers.NAMES)}.")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="runs of each workload (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=names + families, default=names, metavar="WORKLOAD")
    parser.add_argument("--peers", nargs="+", choices=peers.NAMES, default=list(peers.NAMES), metavar="BUILDER",
                        help="these builders only; without kiln there are no ratios")
    parser.add_argument("--scale", type=float, default=1, metavar="X",
                        help="multiplies the files and bytes of the large workloads, to try things (default: 1)")
    parser.add_argument("--bin", default=SOURCE / "build" / "bin", type=pathlib.Path, metavar="DIR",
                        help="where kiln and kilnd are (default: build/bin)")
    parser.add_argument("--directory", default="/var/tmp", metavar="DIR",
                        help="where everything happens, in a directory of its own, removed at the end; 20 GB free at "
                             "scale 1, not tmpfs (default: %(default)s)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all figures")
    parser.add_argument("--html", type=pathlib.Path, metavar="FILE", help="write a page with plots")
    options = parser.parse_args()
    if options.runs < 1 or options.scale <= 0:
        parser.error("--runs and --scale must be positive")
    if os.geteuid() != 0:
        parser.error("needs root: the builders' daemons do")
    return options


def end(*_):
    """Leaves through everything that cleans up, which a second signal does not interrupt."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(130)


def say(text):
    print(text, file=sys.stderr, flush=True)


def main():
    options = arguments()
    for number in STOPPING:
        signal.signal(number, end)
    install_missing()
    processes.become_reaper()
    work = pathlib.Path(tempfile.mkdtemp(prefix="kiln-compare-", dir=options.directory))
    with contextlib.ExitStack() as stack:
        stack.callback(work.rmdir)
        site = Site(work / "site", options.scale, options.bin.resolve())
        stack.callback(site.close)
        site.open()
        stack.callback(processes.stop_all)
        return compare(site, options)


def compare(site, options):
    """0 when Kiln did everything asked for, and right; 1 otherwise."""
    builders, absent = peers.found(site, options.peers)
    document = {"machine": machine.described(site.directory), "runs": options.runs, "scale": options.scale,
                "builders": {}, "absent": absent, "workloads": []}
    for peer in list(builders):
        idle = idle_memory(peer)
        document["builders"][peer.label] = {"version": peer.version(), "idle_bytes": idle, "notes": list(peer.notes)}
    print(report.heading(document), flush=True)
    runner = Runner(site, builders, options.runs, say)
    verifier = Verifier(site)
    for make in workloads.ALL:
        if not {make.name, family(make.name)} & set(options.only):
            continue
        workload = make(site, verifier)
        document["workloads"].append(results.of_workload(workload, runner.run(workload)))
        print("\n" + report.table(document["workloads"][-1]), flush=True)
        write(document, options)  # what there is, should the rest not come to its end
    for peer in builders:
        peer.stop()
    ours = [result["builders"].get("kiln", {}) for result in document["workloads"]]
    return 1 if any("reason" in figures for figures in ours) else 0


def write(document, options):
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    if options.html:
        options.html.write_text(page.page(document))
