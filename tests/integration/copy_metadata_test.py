"""COPY: owners, modes, times, links and attributes of what arrives."""
import os
import stat
import tarfile

import kilntest

MADE = 1_700_000_000  # a time of files in contexts, with no fraction


class MetadataTest(kilntest.SharedDaemonTest):
    def test_modes_are_kept_with_setuid_and_sticky_bits(self):
        modes = {"plain": 0o644, "exec": 0o755, "private": 0o600, "none": 0o000, "suid": 0o4755, "sgid": 0o2711,
                 "odd": 0o1357}
        context = self.context({f"tree/{name}": name for name in modes} | {"tree/dir/x": "X", "tree/tmp/y": "Y"})
        for name, mode in modes.items():
            (context / "tree" / name).chmod(mode)
        (context / "tree/dir").chmod(0o2750)
        (context / "tree/tmp").chmod(0o1777)
        made = self.built("FROM scratch\nCOPY tree /t\nCOPY tree/suid /single\n")
        for name, mode in modes.items():
            self.assertEqual(made.mode(f"/t/{name}"), f"{mode:04o}", name)
        self.assertEqual((made.mode("/t/dir"), made.mode("/t/tmp"), made.mode("/single")), ("2750", "1777", "4755"))

    def test_files_of_a_context_belong_to_root(self):
        context = self.context({"tree/dir/f": "F"})
        for path in (context / "tree", context / "tree/dir", context / "tree/dir/f"):
            os.chown(path, 1234, 5678)
        made = self.built("FROM scratch\nCOPY tree /t\n")
        self.assertEqual([made.owner(path) for path in ("/t", "/t/dir", "/t/dir/f")], ["0:0"] * 3)

    def test_times_are_kept_in_whole_seconds(self):
        context = self.context({"tree/f": "F", "tree/dir/g": "G"})
        (context / "tree/link").symlink_to("f")
        for name in ("tree/f", "tree/dir/g", "tree/dir", "tree/link"):
            os.utime(context / name, ns=(0, MADE * 10**9 + 987_654_321), follow_symlinks=False)
        made = self.built("FROM scratch\nCOPY tree /t\n")
        for name in ("t/f", "t/dir/g", "t/link"):
            self.assertEqual(self.layer(made.reference)[name].mtime, MADE, name)
            self.assertEqual(self.layer(made.reference)[name].pax_headers.get("mtime"), None)
        entries = {name.rstrip("/"): entry for name, entry in self.layer(made.reference).items()}
        self.assertEqual(entries["t/dir"].mtime, MADE)

    def test_names_of_one_file_stay_names_of_one_file(self):
        context = self.context({"tree/a": "one file"})
        os.link(context / "tree/a", context / "tree/b")
        (context / "tree/sub").mkdir()
        os.link(context / "tree/a", context / "tree/sub/c")
        made = self.built("FROM scratch\nCOPY tree /t\n")
        inodes = {made.stat(f"/t/{name}").st_ino for name in ("a", "b", "sub/c")}
        self.assertEqual(len(inodes), 1)
        self.assertEqual(made.stat("/t/a").st_nlink, 3)
        kinds = [entry.type for entry in self.layer(made.reference).values()]
        self.assertEqual(kinds.count(tarfile.LNKTYPE), 2)

    def test_user_xattrs_are_kept(self):
        context = self.context({"tree/f": "F", "tree/d/g": "G"})
        os.setxattr(context / "tree/f", "user.kiln", b"a\0value")
        os.setxattr(context / "tree/d", "user.of-directory", b"yes")
        made = self.built("FROM scratch\nCOPY tree /t\n")
        entry = self.layer(made.reference)["t/f"]
        self.assertEqual(entry.pax_headers.get("SCHILY.xattr.user.kiln"), "a\0value")
        entries = {name.rstrip("/"): entry for name, entry in self.layer(made.reference).items()}
        self.assertEqual(entries["t/d"].pax_headers.get("SCHILY.xattr.user.of-directory"), "yes")

    def test_a_changed_xattr_of_a_file_or_a_directory_is_a_change(self):
        context = self.context({"Dockerfile": "FROM scratch\nCOPY tree /t\n", "tree/d/g": "G"})
        self.build(self.kilnd, context)
        self.assertEqual(kilntest.ran(self.build(self.kilnd, context)), [])
        for path in ("tree/d", "tree/d/g"):
            os.setxattr(context / path, "user.new", b"1")
            self.assertEqual(kilntest.ran(self.build(self.kilnd, context)), ["COPY tree /t"], path)

    def test_special_files_are_kept_and_a_socket_becomes_a_file(self):
        context = self.context({"tree/f": "F"})
        os.mkfifo(context / "tree/fifo", 0o640)
        os.mknod(context / "tree/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(context / "tree/socket", 0o600 | stat.S_IFSOCK)
        made = self.built("FROM scratch\nCOPY tree /t\n")
        self.assertEqual(made.names("/t"), ["f", "fifo", "null", "socket"])
        self.assertTrue(stat.S_ISREG(made.stat("/t/socket").st_mode))
        self.assertEqual((made.mode("/t/socket"), made.stat("/t/socket").st_size), ("0600", 0))
        self.assertTrue(stat.S_ISFIFO(made.stat("/t/fifo").st_mode))
        self.assertEqual(made.stat("/t/null").st_rdev, os.makedev(1, 3))

    def test_chown_takes_numbers_names_and_groups(self):
        made = self.built(
            "FROM busybox\nRUN echo 'app:x:1001:1002::/:/bin/sh' >> /etc/passwd && echo 'staff:x:2000:' >> /etc/group\n"
            "COPY --chown=5 f /n\nCOPY --chown=5:6 f /nn\nCOPY --chown=app f /u\nCOPY --chown=app:staff f /ug\n"
            "COPY --chown=app:7 f /un\nCOPY --chown=5:staff f /ng\nARG O=app\nCOPY --chown=$O:$O-x f /v\n"
            .replace("$O:$O-x", "$O:2000") + "COPY --chown=app tree /tree\n", {"f": "F", "tree/d/g": "G"})
        self.assertEqual({path: made.owner(path) for path in ("/n", "/nn", "/u", "/ug", "/un", "/ng", "/v")},
                         {"/n": "5:5", "/nn": "5:6", "/u": "1001:1002", "/ug": "1001:2000", "/un": "1001:7",
                          "/ng": "5:2000", "/v": "1001:2000"})
        self.assertEqual([made.owner(path) for path in ("/tree", "/tree/d", "/tree/d/g")], ["1001:1002"] * 3)

    def test_chown_to_a_name_that_does_not_exist_gives_root_and_says_so(self):
        made = self.built("FROM busybox\nRUN echo 'app:x:1001:1002::/:/bin/sh' >> /etc/passwd\nCOPY --chown=nosuch f /f\n"
                          "COPY --chown=app:nogrp f /g\nCOPY --chown=nosuch:7 f /h\n", {"f": "F"})
        self.assertEqual([made.owner(path) for path in ("/f", "/g", "/h")], ["0:0", "1001:1002", "0:7"])
        self.assertIn("warning: user nosuch: no such entry in /etc/passwd", made.result.text)
        self.assertIn("warning: group nogrp: no such entry in /etc/group", made.result.text)

    def test_chown_to_a_name_needs_something_that_has_names(self):
        failed = self.refused("FROM scratch\nCOPY --chown=app f /f\n", {"f": "F"})
        self.assertIn("has no /etc/passwd", failed.err)
        made = self.built("FROM scratch\nCOPY --chown=root f /f\nCOPY --chown=app f /g\n")
        self.assertEqual((made.owner("/f"), made.owner("/g")), ("0:0", "0:0"))

    def test_chmod_takes_octal_and_symbolic_modes(self):
        context = self.context({"f": "F", "tree/d/g": "G", "tree/x": "X"})
        (context / "tree/x").chmod(0o744)
        (context / "tree/d").chmod(0o700)
        made = self.built("FROM scratch\nCOPY --chmod=0640 f /a\nCOPY --chmod=4755 f /b\nCOPY --chmod=u=rwX,go=rX tree /c\n"
                          "COPY --chmod=+x f /d\nCOPY --chmod=g=u,o= f /e\nARG M=600\nCOPY --chmod=$M f /v\n"
                          "COPY --chmod=750 tree /t\n")
        self.assertEqual([made.mode(path) for path in ("/a", "/b", "/d", "/e", "/v")],
                         ["0640", "4755", "0755", "0660", "0600"])
        self.assertEqual([made.mode(path) for path in ("/c/d", "/c/d/g", "/c/x")], ["0755", "0644", "0755"])
        self.assertEqual([made.mode(path) for path in ("/t/d", "/t/d/g", "/t/x")], ["0750"] * 3)

    def test_a_bad_mode_is_refused_before_anything_runs(self):
        failed = self.refused("FROM busybox\nRUN echo ran\nCOPY --chmod=999 f /f\n", {"f": "F"})
        self.assertIn("999", failed.err)
        self.assertIn("Dockerfile:3", failed.err)
        self.assertNotIn("[2/3] RUN", failed.err)

    def test_copy_from_a_stage_keeps_owners_times_and_links(self):
        made = self.built(
            "FROM busybox AS src\nRUN mkdir -p /d/sub && echo F > /d/f && chown 11:12 /d/f && chown 13:14 /d/sub && "
            "chmod 4711 /d/f && touch -d @1234567890 /d/f && ln /d/f /d/hard && ln -s f /d/soft && chown -h 15:16 /d/soft\n"
            "FROM scratch\nCOPY --from=src /d /kept\nCOPY --from=src --chown=21:22 --chmod=600 /d/f /changed\n"
            "COPY --from=src d/f /relative\nCOPY --from=src /d/soft /followed\nCOPY --from=src /d/s* /globbed/\n")
        self.assertEqual([made.owner(path) for path in ("/kept/f", "/kept/sub", "/kept/soft")],
                         ["11:12", "13:14", "15:16"])
        self.assertEqual((made.mode("/kept/f"), made.stat("/kept/f").st_mtime), ("4711", 1234567890))
        self.assertEqual(made.stat("/kept/f").st_ino, made.stat("/kept/hard").st_ino)
        self.assertEqual(os.readlink(made.path("/kept/soft")), "f")
        self.assertEqual((made.owner("/changed"), made.mode("/changed")), ("21:22", "0600"))
        self.assertEqual(made.text("/relative"), "F\n")
        self.assertEqual(made.text("/followed"), "F\n")

    def test_links_in_a_source_stage_do_not_lead_out_of_it(self):
        secret = self.directory / "secret"
        secret.write_text("outside")
        failed = self.refused(f"FROM busybox AS src\nRUN ln -s {secret} /link\nFROM scratch\nCOPY --from=src /link /x\n")
        self.assertIn("not found", failed.err)
        made = self.built("FROM busybox AS src\nRUN mkdir /a && echo in > /a/f && ln -s /a /abs && ln -s ../../../a /up\n"
                          "FROM scratch\nCOPY --from=src /abs/f /1\nCOPY --from=src /up/f /2\n")
        self.assertEqual(made.text("/1") + made.text("/2"), "in\nin\n")


if __name__ == "__main__":
    kilntest.main()
