"""A piece of work that every builder does."""
from comparison import content, machine
from comparison.verify import image_bytes


class Workload:
    """prepare() once; then for each run and builder before(), timed(), check(). Only timed() is measured."""

    name = ""
    title = ""          # what is done and measured, in a sentence
    warm = True         # the base images are pulled and unpacked before the first run

    def __init__(self, site, verifier):
        self.site = site
        self.verifier = verifier

    def prepare(self):
        """Makes contexts and base images."""

    def bases(self):
        """The base images that are to be there at the start; each has /bin/busybox."""
        return [self.site.busybox()]

    def ready(self, peer, clients):
        """Gives a builder an empty store, and the base images when they are to be warm."""
        peer.wipe()
        if self.warm:
            self.warm_up(peer, clients)

    def warm_up(self, peer, clients):
        for number, base in enumerate(self.bases()):
            context = self.site.context(f"warm-{peer.label}", f'FROM {base}\nRUN ["/bin/busybox", "true"]\n')
            clients.run(peer.build(context, peer.name(f"warm{number}")))

    def before(self, peer, run, clients):
        """Brings the builder to the state that the work begins with."""

    def timed(self, peer, run, clients):
        raise NotImplementedError

    def close(self):
        """Ends what prepare() began."""

    def check(self, peer, run, clients):
        """Throws Wrong when the result is not right; returns further figures: name → number."""
        raise NotImplementedError


class ColdPush(Workload):
    """Empty cache, nothing in memory, nothing in the registry: a context is copied, packed and sent."""

    def __init__(self, site, verifier):
        super().__init__(site, verifier)
        self.expected = None
        self.directory = None

    def make_files(self, directory):
        raise NotImplementedError

    def prepare(self):
        self.directory = self.site.context(self.name, "")
        (self.directory / "Dockerfile").unlink()
        self.make_files(self.directory)
        (self.directory / "Dockerfile").write_text(f"FROM {self.site.busybox()}\nCOPY . /app/\n")
        self.expected = {**self.verifier.base(self.site.busybox()), "app": (content.DIRECTORY, 0o755, 0, 0, ""),
                         **content.copied(self.directory, "app")}

    def before(self, peer, run, clients):
        if run > 0:
            self.ready(peer, clients)
        self.site.forget_pushed()
        machine.drop_caches()

    def timed(self, peer, run, clients):
        clients.run(peer.build_and_push(self.directory, peer.name(self.name)))

    def check(self, peer, run, clients):
        _, manifest = self.verifier.pushed(peer.name(self.name), lambda: self.expected, self.name)
        return {"image_bytes": image_bytes(manifest)}
