"""Building from an empty cache and pushing: copying, packing, compressing, sending."""
from comparison import trees
from comparison.workloads.workload import ColdPush


class PushMany(ColdPush):
    name = "push-many"
    title = "50,000 files of 450 MB of text copied, packed and pushed; nothing cached, files on the disk only"

    def make_files(self, directory):
        trees.many_files(directory, self.site.scaled(50_000), self.site.scaled(450_000_000))


class PushBig(ColdPush):
    name = "push-big"
    title = "770 MB of programs and libraries copied, packed and pushed; nothing cached, files on the disk only"

    def make_files(self, directory):
        trees.copy_system_files(directory, self.site.scaled(770_000_000))
