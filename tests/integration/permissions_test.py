"""Callers that are not root: the daemon reads and writes for them with their rights, never with its own."""
import os
import subprocess
import time

import kilntest

NOBODY = 65534
OTHER = 4321
SECRET = "the-content-of-a-file-of-root"


class PermissionsTest(kilntest.KilnTest):
    def setUp(self):
        super().setUp()
        self.kilnd = self.daemon()
        self.kilnd.directory.chmod(0o755)
        self.kilnd.socket.chmod(0o666)
        self.files = self.context({"Dockerfile": "FROM scratch\nCOPY . /it/\n", "open": "open"})

    def as_user(self, *words, user=NOBODY, groups=(), cwd=None):
        """Runs kiln as somebody with supplementary groups."""
        done = subprocess.run([str(kilntest.BIN / "kiln"), *map(str, words)], capture_output=True, cwd=cwd,
                              env=self.kilnd.environment(), user=user, group=user, extra_groups=list(groups),
                              timeout=60)
        return kilntest.Result(done, 0)

    def place(self, name, owner=NOBODY, mode=0o755):
        path = self.directory / name
        path.mkdir()
        os.chown(path, owner, owner)
        path.chmod(mode)
        return path

    def test_a_user_builds_what_the_user_can_read(self):
        out = self.place("mine")
        result = self.as_user("build", "--progress=plain", "-o", out / "out", self.files)
        self.assertEqual(result.code, 0, result.text)
        self.assertEqual((out / "out/it/open").read_text(), "open")

    def test_a_file_of_root_alone_is_named_and_not_shown(self):
        secret = self.files / "secret"
        secret.write_text(SECRET)
        secret.chmod(0o600)
        for dockerfile in ("COPY . /it/", "COPY secret /it", "COPY s* /it/", "ADD secret /it"):
            with self.subTest(dockerfile=dockerfile):
                (self.files / "Dockerfile").write_text(f"FROM scratch\n{dockerfile}\n")
                result = self.as_user("build", "--progress=plain", "-t", "stolen", self.files)
                self.assertEqual(result.code, 1, result.text)
                self.assertIn("secret", result.err)
                self.assertIn("Permission denied", result.err)
                self.assertIn("Dockerfile:2", result.err)
                self.assertNotIn(SECRET, result.text + self.kilnd.log_text())
        self.assertNotIn("stolen", self.kilnd.kiln("images").out)

    def test_a_secret_that_root_built_before_is_not_given_to_a_user_from_the_cache(self):
        secret = self.files / "secret"
        secret.write_text(SECRET)
        secret.chmod(0o600)
        time.sleep(0.1)  # so that its digest is kept
        self.build(self.kilnd, self.files, "-t", "roots")
        result = self.as_user("build", "--progress=plain", "-o", self.place("mine") / "out", self.files)
        self.assertEqual(result.code, 1, result.text)
        self.assertNotIn(SECRET, result.text)
        self.assertFalse((self.directory / "mine/out/it/secret").exists())

    def test_a_directory_of_root_alone_is_named(self):
        closed = self.files / "closed"
        closed.mkdir()
        (closed / "inner").write_text(SECRET)
        closed.chmod(0o700)
        for dockerfile in ("COPY . /it/", "COPY closed /it/", "COPY closed/inner /it"):
            with self.subTest(dockerfile=dockerfile):
                (self.files / "Dockerfile").write_text(f"FROM scratch\n{dockerfile}\n")
                result = self.as_user("build", "--progress=plain", self.files)
                self.assertEqual(result.code, 1, result.text)
                self.assertIn("closed", result.err)
                self.assertIn("Permission denied", result.err)
                self.assertNotIn("inner\n", result.err.replace("COPY closed/inner", ""))

    def test_what_dockerignore_excludes_need_not_be_readable(self):
        closed = self.files / "closed"
        closed.mkdir()
        closed.chmod(0o700)
        (self.files / "secret").write_text(SECRET)
        (self.files / "secret").chmod(0o600)
        (self.files / ".dockerignore").write_text("closed\nsecret\n")
        result = self.as_user("build", "--progress=plain", self.files)
        self.assertEqual(result.code, 0, result.text)

    def test_a_dockerignore_that_the_user_cannot_read_is_named(self):
        ignore = self.files / ".dockerignore"
        ignore.write_text("x\n")
        ignore.chmod(0o600)
        result = self.as_user("build", "--progress=plain", self.files)
        self.assertEqual(result.code, 1, result.text)
        self.assertIn(".dockerignore", result.err)
        self.assertIn("Permission denied", result.err)

    def test_supplementary_groups_count(self):
        shared = self.files / "shared"
        shared.write_text("for the group")
        os.chown(shared, 0, OTHER)
        shared.chmod(0o640)
        refused = self.as_user("build", "--progress=plain", self.files)
        self.assertEqual(refused.code, 1, refused.text)
        result = self.as_user("build", "--progress=plain", self.files, groups=[OTHER])
        self.assertEqual(result.code, 0, result.text)
        # The rights of one request do not stay with the thread that served it.
        self.assertEqual(self.as_user("build", "--progress=plain", "--no-cache", self.files).code, 1)

    def test_a_group_that_is_denied_what_others_may_is_denied(self):
        odd = self.files / "odd"
        odd.write_text("for others only")
        os.chown(odd, 0, OTHER)
        odd.chmod(0o604)
        self.assertEqual(self.as_user("build", self.files).code, 0)
        result = self.as_user("build", "--progress=plain", "--no-cache", self.files, groups=[OTHER])
        self.assertEqual(result.code, 1, result.text)

    def test_a_link_to_a_secret_does_not_lead_there(self):
        outside = self.directory / "outside"
        outside.write_text(SECRET)
        outside.chmod(0o600)
        mine = self.place("mine")
        (mine / "Dockerfile").write_text("FROM scratch\nCOPY link /it\n")
        (mine / "link").symlink_to(outside)
        result = self.as_user("build", "--progress=plain", mine)
        self.assertEqual(result.code, 1, result.text)
        self.assertNotIn(SECRET, result.text)

    def test_a_local_output_belongs_to_the_user(self):
        mine = self.place("mine")
        (self.files / "Dockerfile").write_text("FROM busybox\nRUN echo x > /owned && chown 7:8 /owned && "
                                               "cp /bin/busybox /setuid && chmod 4755 /setuid\n")
        result = self.as_user("build", "--progress=plain", "-o", f"type=local,dest={mine}/out", self.files)
        self.assertEqual(result.code, 0, result.text)
        for name in ("owned", "setuid", "bin"):
            status = os.lstat(mine / "out" / name)
            self.assertEqual((status.st_uid, status.st_gid), (NOBODY, NOBODY))
            self.assertEqual(status.st_mode & 0o7000 if name == "setuid" else 0, 0)

    def test_an_output_where_the_user_may_not_write_is_refused(self):
        for dest in ("type=local,dest={0}/out", "type=oci,dest={0}/it.tar", "type=tar,dest={0}/it.tar"):
            with self.subTest(dest=dest):
                place = self.directory / "roots"
                place.mkdir(exist_ok=True)
                result = self.as_user("build", "--progress=plain", "-o", dest.format(place), self.files)
                self.assertEqual(result.code, 1, result.text)
                self.assertIn(str(place), result.err)
                self.assertIn("Permission denied", result.err)
                self.assertEqual(os.listdir(place), [])

    def test_a_local_output_into_a_directory_with_a_file_of_root(self):
        mine = self.place("mine")
        out = mine / "out"
        out.mkdir()
        os.chown(out, NOBODY, NOBODY)
        inner = out / "it"
        inner.mkdir()
        (inner / "open").write_text("of root")
        inner.chmod(0o755)
        result = self.as_user("build", "--progress=plain", "-o", f"type=local,dest={out}", self.files)
        self.assertEqual(result.code, 1, result.text)
        self.assertIn("make it/", result.err)
        self.assertIn("Permission denied", result.err)
        self.assertEqual((inner / "open").read_text(), "of root")

    def test_a_link_in_the_output_does_not_lead_to_root_s_files(self):
        mine = self.place("mine")
        out = mine / "out"
        out.mkdir()
        os.chown(out, NOBODY, NOBODY)
        target = self.directory / "target"
        target.mkdir()
        (out / "it").symlink_to(target)
        self.as_user("build", "-o", f"type=local,dest={out}", self.files)
        self.assertEqual(os.listdir(target), [])

    def test_a_user_who_may_not_open_the_socket_learns_that_and_what_to_do(self):
        self.kilnd.socket.chmod(0o660)
        result = self.as_user("build", self.files)
        self.assertEqual(result.code, 3, result.text)
        self.assertIn(str(self.kilnd.socket), result.err)
        self.assertIn("ermission denied", result.err)
        self.assertIn("group", result.err)

    def test_the_socket_s_group_may_connect(self):
        os.chown(self.kilnd.socket, 0, OTHER)
        self.kilnd.socket.chmod(0o660)
        self.assertEqual(self.as_user("images").code, 3)
        self.assertEqual(self.as_user("images", groups=[OTHER]).code, 0)

    def test_the_socket_is_closed_to_others_by_default(self):
        other = self.daemon("other")
        self.assertEqual(os.stat(other.socket).st_mode & 0o007, 0)

    def test_the_store_is_closed_to_others(self):
        self.build(self.kilnd, self.files, "-t", "it")
        for name in ("snapshots", "tmp", "builds"):
            self.assertEqual(os.stat(self.kilnd.root / name).st_mode & 0o077, 0, name)
        listing = subprocess.run(["ls", self.kilnd.root / "snapshots"], capture_output=True, user=NOBODY, group=NOBODY,
                                 extra_groups=[])
        self.assertNotEqual(listing.returncode, 0)


if __name__ == "__main__":
    kilntest.main()
