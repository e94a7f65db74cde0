"""Mounts that a builder left."""
import subprocess


def unmount_below(directory):
    """Takes down what is mounted below a directory, so that it can be removed."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        left = [line.split()[1] for line in mounts if line.split()[1].startswith(f"{directory}/")]
    for path in reversed(left):
        subprocess.run(["umount", "-l", path], check=True)
