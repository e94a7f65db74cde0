"""Runs the workloads: every builder in turn, in another order each time, so that what the machine does beside it
meets all of them alike."""
import dataclasses
import shutil
import subprocess
import time
import urllib.error

from comparison import processes
from comparison.errors import Cannot, Failed, Wrong
from comparison.measure import Clients, Sample, measured


@dataclasses.dataclass
class Outcome:
    """What one builder did of one workload."""
    samples: list = dataclasses.field(default_factory=list)
    reason: str = ""  # why there are no more samples; "" when all runs were made

    def stop(self, kind, reason):
        self.reason = f"{kind}: {reason}"
        self.samples.clear()  # what was right before does not make a wrong one good


class Runner:
    def __init__(self, site, peers, runs, say):
        self.site = site
        self.peers = peers
        self.runs = runs
        self.say = say
        self.logs = site.directory / "logs"
        self.logs.mkdir()

    def run(self, workload):
        """name of the builder → Outcome."""
        outcomes = {peer.label: Outcome() for peer in self.peers}
        self.say(f"{workload.name}: making what it needs")
        workload.prepare()
        try:
            for peer in self.peers:
                self._guarded(peer, outcomes, lambda: workload.ready(peer, self._clients(workload, peer)))
            for run in range(self.runs):
                turn = run % len(self.peers)
                for peer in self.peers[turn:] + self.peers[:turn]:
                    self._guarded(peer, outcomes, lambda: outcomes[peer.label].samples.append(
                        self._sample(workload, peer, run)))
        finally:
            workload.close()
            for path in self.site.contexts.iterdir():
                shutil.rmtree(path)
            self.site.forget_pushed()
        return outcomes

    def _guarded(self, peer, outcomes, work):
        outcome = outcomes[peer.label]
        if outcome.reason:
            return
        try:
            work()
        except Cannot as reason:
            outcome.stop("cannot", reason)
        except Failed as reason:
            outcome.stop("failed", reason)
        except Wrong as reason:
            outcome.stop("wrong result", reason)
        except (OSError, subprocess.SubprocessError, urllib.error.URLError) as reason:
            outcome.stop("not measured", reason)
        if outcome.reason:
            self.say(f"  {peer.label}: {outcome.reason}")

    def _clients(self, workload, peer):
        return Clients(self.logs / f"{workload.name}-{peer.label}.log")

    def _sample(self, workload, peer, run) -> Sample:
        clients = self._clients(workload, peer)
        workload.before(peer, run, clients)
        sample = measured(peer.server_pids, lambda: workload.timed(peer, run, clients))
        sample.extra = workload.check(peer, run, clients)
        self.say(f"  {peer.label} {run + 1}/{self.runs}: {sample.seconds:.3f} s")
        return sample


def idle_memory(peer, seconds=3):
    """Bytes that a builder has resident with an empty store and nothing to do; None without a daemon."""
    peer.wipe()
    if not peer.server_pids():
        return None
    time.sleep(seconds)
    return processes.resident(processes.tree(peer.server_pids()))
