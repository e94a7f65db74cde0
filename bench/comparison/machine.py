"""The machine that the figures are from, and its page cache."""
import datetime
import os
import pathlib
import platform
import subprocess


def drop_caches():
    """So that everybody begins a cold workload with files on the disk only."""
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")


def described(directory):
    """What to say of it beside every figure."""
    model = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    file_system = subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "--target", str(directory)], check=True,
                                 capture_output=True, text=True).stdout.strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "processor": model, "processors": len(os.sched_getaffinity(0)), "memory_bytes": memory,
        "kernel": platform.release(), "file_system": file_system, "load": os.getloadavg()[0],
    }
