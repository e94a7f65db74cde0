"""Steps: many one after the other, many beside each other, many builds at once."""
from comparison import content, trees
from comparison.workloads.workload import Workload


class Runs(Workload):
    name = "runs-30"
    title = "30 RUN instructions that write a line each, one after the other; nothing cached but the base image"
    count = 30

    def context(self, peer, run):
        steps = "".join(f"RUN echo {peer.label} {run} {step} > /step{step}\n" for step in range(self.count))
        return self.site.context(f"{self.name}-{peer.label}-{run}", f"FROM {self.site.busybox()}\n{steps}")

    def expected(self, peer, run):
        return {**self.verifier.base(self.site.busybox()),
                **{f"step{step}": content.text(f"{peer.label} {run} {step}\n") for step in range(self.count)}}

    def before(self, peer, run, clients):
        self.directory = self.context(peer, run)

    def timed(self, peer, run, clients):
        clients.run(peer.build(self.directory, peer.name(self.name)))

    def check(self, peer, run, clients):
        clients.run(peer.push(self.directory, peer.name(self.name)))
        self.verifier.pushed(peer.name(self.name), lambda: self.expected(peer, run), (peer.label, run))
        return {}


class Fan(Runs):
    name = "fan-8"
    title = "8 stages that do not depend on each other, each a RUN that sleeps for a second, and their results copied"
    count = 8

    def context(self, peer, run):
        base = self.site.busybox()
        stages = "".join(f"FROM {base} AS stage{step}\nRUN sleep 1; echo {peer.label} {run} {step} > /step{step}\n"
                         for step in range(self.count))
        copies = "".join(f"COPY --from=stage{step} /step{step} /step{step}\n" for step in range(self.count))
        return self.site.context(f"{self.name}-{peer.label}-{run}", f"{stages}FROM {base}\n{copies}")


class Concurrent(Workload):
    name = "concurrent-16"
    title = "16 different builds started at once, each of 200 files and 3 steps; nothing cached but the base image"
    builds, files = 16, 200

    def before(self, peer, run, clients):
        self.directories = []
        for build in range(self.builds):
            word = f"{peer.label} {run} {build}"
            directory = self.site.context(
                f"{self.name}-{peer.label}-{run}-{build}",
                f"FROM {self.site.busybox()}\nWORKDIR /app\nRUN echo {word} > /one\nCOPY . .\n"
                f"RUN cat /one > /two\nRUN cat /two > /three\n")
            trees.many_files(directory, self.files, self.files * 4000)
            (directory / "which").write_text(word + "\n")
            self.directories.append(directory)

    def name_of(self, peer, build):
        return peer.name(f"{self.name}-{build}")

    def timed(self, peer, run, clients):
        clients.run_at_once([peer.build(directory, self.name_of(peer, build))
                             for build, directory in enumerate(self.directories)])

    def check(self, peer, run, clients):
        for build, directory in enumerate(self.directories):
            clients.run(peer.push(directory, self.name_of(peer, build)))
            said = content.text(f"{peer.label} {run} {build}\n")
            self.verifier.pushed(self.name_of(peer, build), lambda: {
                **self.verifier.base(self.site.busybox()), "app": (content.DIRECTORY, 0o755, 0, 0, ""),
                **content.copied(directory, "app"), "one": said, "two": said, "three": said},
                (peer.label, run, build))
        return {}
