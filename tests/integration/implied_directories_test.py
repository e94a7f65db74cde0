"""Base images whose layers have no entries for the directories around their files, as Jib, ko and Bazel make them.

What is expected is what unpacking the layers one after the other gives, done here by a model of that.
"""
import tarfile

import kilntest
from crafted import Layer, Repository, entry, symlink, tar

DIRECTORY = (tarfile.DIRTYPE, 0o755, 0, 0, "")


def owned(name, owner=0, mode=0o644, kind=tarfile.REGTYPE, data=b"x"):
    info, content = entry(name, kind, b"" if kind == tarfile.DIRTYPE else data, mode=mode)
    info.uid, info.gid = owner, owner
    return info, content


def folder(name, owner=0, mode=0o755):
    return owned(name, owner, mode, tarfile.DIRTYPE)


def sequential(*layers):
    """path → (type, mode, uid, gid, content or target) of layers unpacked one after the other."""
    tree = {}

    def remove(path, but=()):
        for name in [name for name in tree if name == path or name.startswith(path + "/")]:
            if name not in but:
                del tree[name]

    def make_parents(path):
        parts = path.split("/")[:-1]
        for count in range(1, len(parts) + 1):
            around = "/".join(parts[:count])
            if tree.get(around, DIRECTORY)[0] != tarfile.DIRTYPE:
                remove(around)
            tree.setdefault(around, DIRECTORY)

    for layer in layers:
        mine = set()
        for info, data in layer:
            make_parents(info.name)
            around, _, name = info.name.rpartition("/")
            if name == ".wh..wh..opq":
                remove(around, {around} | mine)
            elif name.startswith(".wh."):
                remove((around + "/" if around else "") + name[4:])
            else:
                if info.type != tarfile.DIRTYPE or tree.get(info.name, DIRECTORY)[0] != tarfile.DIRTYPE:
                    remove(info.name)
                tree[info.name] = (info.type, info.mode, info.uid, info.gid, info.linkname or data.decode())
                mine.add(info.name)
    return tree


BASE = [folder("tmp", mode=0o1777), folder("home"), folder("home/u", 1000, 0o700), owned("home/u/old", 1000),
        folder("opt", 5, 0o750), folder("opt/app", 6, 0o1751), owned("opt/app/gone"), owned("thing", data=b"a file"),
        folder("srv", 7, 0o2711), folder("srv/deep", 8, 0o701), owned("srv/deep/gone"), folder("var", 9, 0o700),
        owned("var/gone")]
BARE = [owned("tmp/x"), owned("home/u/new", 1000), owned("opt/app/.wh.gone", data=b""), owned("opt/app/sub/x"),
        owned("thing/inner"), owned("srv/deep/.wh..wh..opq", data=b""), owned("srv/deep/x"), owned("fresh/a/x")]
LATER = [folder("opt/app", 3, 0o733), owned("tmp/y"), owned(".wh.var", data=b"")]
LAST = [owned("var/x"), owned("fresh/a/y"), owned("opt/app/z")]


class ImpliedDirectoriesTest(kilntest.KilnTest):
    def setUp(self):
        super().setUp()
        self.kilnd = self.daemon()

    def image(self, name, *layers):
        repository = Repository(self.registry, name)
        repository.put_image([Layer(tar(*layer)) for layer in layers])
        return repository.reference

    def tree(self, dockerfile, *flags, name="out"):
        """What a build makes, but for what its own COPY adds to the root: path → as sequential() has it."""
        out = self.directory / (name + ".tar")
        self.build(self.kilnd, self.context({"Dockerfile": dockerfile}), "-o", f"type=tar,dest={out}", *flags)
        with tarfile.open(out) as archive:
            return {one.name: (one.type, one.mode, one.uid, one.gid,
                               one.linkname or (archive.extractfile(one).read().decode() if one.isreg() else ""))
                    for one in archive if one.name != "Dockerfile"}

    def kept(self):
        return [one.name for one in (self.kilnd.root / "snapshots").iterdir() if "." in one.name]

    def test_they_are_as_unpacking_in_order_makes_them(self):
        for count, layers in enumerate(([BASE, BARE], [BASE, BARE, LATER], [BASE, BARE, LATER, LAST], [BARE, BASE],
                                        [BASE, BARE, LAST, BARE], [LAST])):
            with self.subTest(count=count):
                base = self.image(f"implied-{count}", *layers)
                self.assertEqual(self.tree(f"FROM {base}\nCOPY Dockerfile /\n", name=f"out{count}"),
                                 sequential(*layers))

    def test_a_layer_that_is_there_twice_counts_where_it_is_topmost(self):
        first, second = [owned("a/x", data=b"1"), owned("b")], [folder("a", 3, 0o700), owned("a/x", data=b"2"),
                                                                 owned(".wh.b", data=b"")]
        layers = [BASE, first, second, first]
        self.assertEqual(self.tree(f"FROM {self.image('twice', *layers)}\nCOPY Dockerfile /\n"), sequential(*layers))

    def test_one_layer_on_two_bases_is_right_on_both(self):
        other = [folder("tmp", 4, 0o700), folder("opt"), folder("opt/app", 2, 0o777), folder("srv", mode=0o777)]
        for name, below in (("one", BASE), ("two", other)):
            self.assertEqual(self.tree(f"FROM {self.image('on-' + name, below, BARE)}\nCOPY Dockerfile /\n", name=name),
                             sequential(below, BARE))

    def test_a_step_sees_them_so_and_keeps_them_so(self):
        base = self.image("steps", BASE, BARE)
        tree = self.tree(f"FROM {base} AS a\nCOPY Dockerfile /tmp/z\nFROM scratch\nCOPY --from=a /tmp /opt /d/\n"
                         f"COPY --from=a / /all/\n")
        expected = sequential(BASE, BARE)
        self.assertEqual(tree["all/tmp"], expected["tmp"])
        self.assertEqual(tree["all/opt/app"], expected["opt/app"])
        self.assertEqual(tree["d/app"], expected["opt/app"])

    def test_a_deletion_of_what_never_was_is_not_seen(self):
        layers = [[folder("a"), owned("a/.wh.never", data=b""), owned("a/x"), folder("b"), owned("b/.wh.gone", data=b"")],
                  [folder("c"), owned("c/.wh.never", data=b""), owned("c/y")]]
        base = self.image("needless", *layers)
        tree = self.tree(f"FROM {base} AS a\nCOPY Dockerfile /\nFROM scratch\nCOPY --from=a /a /copied/a\n"
                         f"COPY --from=a / /all/\nCOPY --from=a /c/* /globbed/\n")
        names = {name for name in tree if "Dockerfile" not in name}
        self.assertEqual(names, {"copied", "copied/a", "copied/a/x", "all", "all/a", "all/a/x", "all/b", "all/c", "all/c/y",
                                 "globbed", "globbed/y"})
        self.assertEqual(self.tree(f"FROM {base}\nCOPY Dockerfile /\n", name="whole").keys(), {"a", "a/x", "b", "c", "c/y"})

    def test_a_push_sends_the_layers_as_they_were(self):
        # Without the file that a directory replaces: umoci does not do that.
        layers = [[one for one in layer if not one[0].name.startswith("thing")] for layer in (BASE, BARE)]
        base = self.image("pushed", *layers)
        target = f"{self.registry.host}/implied-pushed"
        self.build(self.kilnd, self.context({"Dockerfile": f"FROM {base}\nCOPY Dockerfile /tmp/z\n"}), "-t", target,
                   "--push")
        self.assertEqual([one["digest"] for one in self.registry.manifest("implied-pushed")["layers"][:2]],
                         [Layer(tar(*one)).digest for one in layers])
        rootfs, _ = self.unpack(target)
        for path, (_, mode, owner, _, _) in sequential(*layers).items():
            status = (rootfs / path).lstat()
            self.assertEqual((status.st_mode & 0o7777, status.st_uid), (mode, owner), path)

    def test_they_are_right_after_a_kill_and_go_with_their_layer(self):
        base = self.image("killed", BASE, BARE)
        dockerfile = f"FROM {base}\nCOPY Dockerfile /\n"
        self.tree(dockerfile)
        self.assertEqual(len(self.kept()), 1)
        self.kilnd.kill()
        self.kilnd.start()
        self.assertEqual(self.kept(), [])
        self.assertEqual(self.tree(dockerfile, "--no-cache", name="again"), sequential(BASE, BARE))
        self.assertEqual(len(self.kept()), 1)
        self.assertEqual(self.kilnd.kiln("prune", "--all").code, 0)
        self.assertEqual(self.kept(), [])

    def test_a_stack_without_them_has_nothing_more(self):
        self.tree(f"FROM {self.image('plain', BASE, [folder('tmp', 1, 0o700), owned('tmp/x')])}\nCOPY Dockerfile /\n")
        self.assertEqual(self.kept(), [])

    def test_a_layer_goes_through_its_own_links(self):
        layer = [folder("usr"), folder("usr/lib", 2, 0o711), symlink("lib", "usr/lib"), owned("lib/x"),
                 symlink("lib64", "/usr/lib64"), owned("lib64/sub/y"), symlink("up", "../../.."), owned("up/z")]
        tree = self.tree(f"FROM {self.image('own-links', layer)}\nCOPY Dockerfile /\n")
        self.assertEqual(tree["lib"][4], "usr/lib")
        self.assertEqual(tree["usr/lib"][1:3], (0o711, 2))
        self.assertLessEqual({"usr/lib/x", "usr/lib64/sub/y", "z"}, set(tree))

    def test_a_directory_takes_the_place_of_a_link_below_with_the_mode_of_what_it_led_to(self):
        # As BuildKit has it, which unpacks each layer by itself and only asks the ones below for metadata.
        below = [folder("run"), folder("run/lock", 4, 0o1777), folder("var"), symlink("var/lock", "/run/lock")]
        tree = self.tree(f"FROM {self.image('links-below', below, [owned('var/lock/x')])}\nCOPY Dockerfile /\n")
        self.assertEqual(tree["var/lock"], (tarfile.DIRTYPE, 0o1777, 4, 4, ""))
        self.assertIn("var/lock/x", tree)
        self.assertNotIn("run/lock/x", tree)


if __name__ == "__main__":
    kilntest.main()
