#!/usr/bin/env python3
"""Fails when a source file includes a folder that its own layer may not see.

The table is the architecture: one row a folder, the folders it may include. tests/ may include all.
usage: layer_lint.py ROOT
"""
import pathlib
import re
import sys

LAYERS = {
    "proto": [],
    "registry-client": ["builder/os", "proto"],  # os: coroutine plumbing (offload, limiter), no builds
    "builder/os": ["proto"],
    "builder/store": ["builder/os", "proto"],
    "builder/layer": ["builder/store", "builder/os", "proto"],
    "builder/snapshot": ["builder/layer", "builder/store", "builder/os", "proto"],
    "builder/graph": ["proto"],
    "builder/dockerfile": ["builder/graph", "proto"],
    "builder/solver": ["builder/graph", "builder/store", "builder/os", "proto"],
    "builder/sandbox": ["builder/os", "proto"],
    "builder/ops": ["builder/solver", "builder/graph", "builder/sandbox", "builder/snapshot",
                    "builder/layer", "builder/store", "builder/os", "registry-client", "proto"],
    "builder/image": ["builder/graph", "builder/layer", "builder/store", "builder/os",
                      "registry-client", "proto"],
    "builder/cache": ["builder/ops", "builder/solver", "builder/layer", "builder/store", "builder/os",
                      "registry-client", "proto"],
    "builder": ["builder/", "registry-client", "proto"],  # the facade: builder/build.{h,cc}
    "daemon": ["builder", "builder/os", "proto"],  # of builder only build.h and services.h
    "cli": ["proto"],
}


def layer_of(path):
    parts = path.split("/")
    two = "/".join(parts[:2])
    return two if two in LAYERS else parts[0]


def main(root):
    root, bad = pathlib.Path(root), 0
    for source in sorted(root.rglob("*")):
        if source.suffix not in (".h", ".cc"):
            continue
        name = source.relative_to(root).as_posix()
        mine = layer_of(name)
        if mine not in LAYERS:
            continue
        for number, line in enumerate(source.read_text().splitlines(), 1):
            include = re.match(r'#include "([^"]+)"', line)
            if not include:
                continue
            theirs = layer_of(include[1])
            allowed = [mine, *LAYERS[mine]]
            if not any(theirs == a or (a.endswith("/") and theirs.startswith(a)) for a in allowed):
                print(f"{name}:{number}: {mine} may not include {theirs}")
                bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
