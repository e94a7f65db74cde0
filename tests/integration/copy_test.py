"""COPY and ADD: what arrives where, with which metadata; judged by other tools on the pushed image."""
import bz2
import gzip
import io
import lzma
import os
import stat
import subprocess
import tarfile

import kilntest

MADE = 1_700_000_000  # a time of files in contexts, with no fraction


def tar_of(entries, mode="w:"):
    """A tar: name → bytes, or a TarInfo."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in entries.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime, entry.uid, entry.gid = len(content), 0o640, MADE, 12, 34
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def link_entry(name, target, kind=tarfile.SYMTYPE):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mtime = kind, target, MADE
    return entry


class SourcesTest(kilntest.SharedDaemonTest):
    def test_a_directory_gives_its_contents_not_itself(self):
        made = self.built("FROM scratch\nCOPY dir /into\nCOPY dir/ /into2/\nCOPY . /all\n",
                          {"dir/a": "A", "dir/sub/b": "B", "dir/.hidden": "H"})
        self.assertEqual(made.names("/into"), [".hidden", "a", "sub"])
        self.assertEqual(made.names("/into2"), [".hidden", "a", "sub"])
        self.assertEqual(made.text("/into/sub/b"), "B")
        self.assertEqual(made.names("/all"), ["Dockerfile", "dir"])

    def test_several_sources_go_into_a_directory(self):
        made = self.built("FROM scratch\nCOPY a dir b /into/\n", {"a": "A", "b": "B", "dir/c": "C"})
        self.assertEqual(made.names("/into"), ["a", "b", "c"])

    def test_several_sources_without_a_trailing_slash_go_into_a_directory_too(self):
        made = self.built("FROM busybox\nWORKDIR /into\nCOPY a b .\n", {"a": "A", "b": "B"})
        self.assertEqual(made.names("/into"), ["a", "b"])

    def test_globs_select_as_the_reference_says(self):
        made = self.built(
            "FROM scratch\nCOPY *.txt /star/\nCOPY fil?.bin /mark/\nCOPY [ab]*.c /set/\nCOPY s*/*.h /deep/\n"
            "COPY nothing* /none/\nCOPY [[]x] /odd/\nCOPY dir* /dirs/\n",
            {"one.txt": "1", "two.txt": "2", "sub/three.txt": "3", "file.bin": "b", "files.bin": "bs", "a.c": "",
             "b1.c": "", "c.c": "", "sub/x.h": "", "src/y.h": "", "src/deeper/z.h": "", "[x]": "odd",
             "dir1/p": "p", "dir2/q": "q"})
        self.assertEqual(made.names("/star"), ["one.txt", "two.txt"])
        self.assertEqual(made.names("/mark"), ["file.bin"])
        self.assertEqual(made.names("/set"), ["a.c", "b1.c"])
        self.assertEqual(made.names("/deep"), ["x.h", "y.h"])
        self.assertEqual(made.names("/odd"), ["[x]"])
        self.assertEqual(made.names("/dirs"), ["p", "q"])

    def test_a_source_link_is_followed_and_links_below_it_are_kept(self):
        context = self.context({"real/file": "R", "target": "T"})
        (context / "link").symlink_to("target")
        (context / "dirlink").symlink_to("real")
        (context / "real/inner").symlink_to("../target")
        (context / "real/dangling").symlink_to("/nowhere")
        (context / "real/up").symlink_to("../../../../etc")
        made = self.built("FROM scratch\nCOPY link /file\nCOPY dirlink /dir\nCOPY dirlink/file /through\n"
                          "COPY link /kept/\n")
        self.assertFalse(made.path("/file").is_symlink())
        self.assertEqual(made.text("/file"), "T")
        self.assertEqual(made.text("/kept/link"), "T")
        self.assertEqual(made.text("/through"), "R")
        self.assertEqual(os.readlink(made.path("/dir/inner")), "../target")
        self.assertEqual(os.readlink(made.path("/dir/dangling")), "/nowhere")
        self.assertEqual(os.readlink(made.path("/dir/up")), "../../../../etc")

    def test_nothing_outside_the_context_can_be_named(self):
        secret = self.directory / "secret"
        secret.write_text("outside")
        context = self.context({"in/file": "inside", "secret-dir": None})
        (context / "absolute").symlink_to("/etc/passwd")
        (context / "climbing").symlink_to("../secret")
        for source in ("../secret", "/../secret", "in/../../secret", "absolute", "climbing"):
            with self.subTest(source):
                failed = self.refused(f"FROM scratch\nCOPY {source} /x\n")
                self.assertIn("not found", failed.err)
                self.assertNotIn("outside", failed.text)
        made = self.built("FROM scratch\nCOPY ../in/../../in/file /x\nCOPY /in/file /y\n")
        self.assertEqual(made.text("/x") + made.text("/y"), "insideinside")

    def test_a_missing_source_is_named_with_its_line(self):
        failed = self.refused("FROM scratch\nCOPY there /x\nCOPY not-there /y\n", {"there": ""})
        self.assertIn('"not-there"', failed.err)
        self.assertIn("Dockerfile:3", failed.err)
        self.assertIn("COPY not-there /y", failed.err)

    def test_names_with_blanks_quotes_letters_and_newlines_survive(self):
        names = ["with blank", "tab\tname", "grüße-世界", 'quo"te', "back\\slash", "new\nline", "-dash", "$dollar"]
        files = {f"all/{name}": name for name in names}
        files["with blank"] = "single"
        made = self.built('FROM scratch\nCOPY all /all\nCOPY ["with blank", "/a path/of blanks/"]\n'
                          'COPY ["all/new\\nline", "/n\\nl"]\nCOPY ["all/grüße-世界", "/ü"]\n', files)
        self.assertEqual(made.names("/all"), sorted(names))
        for name in names:
            self.assertEqual(made.path("/all").joinpath(name).read_text(), name)
        self.assertEqual(made.text("/a path/of blanks/with blank"), "single")
        self.assertEqual(made.text("/n\nl"), "new\nline")
        self.assertEqual(made.text("/ü"), "grüße-世界")

    def test_a_name_that_is_not_utf8_survives(self):
        context = self.context({"all/plain": "P"})
        odd = os.fsencode(context / "all") + b"/latin-\xe9"
        with open(odd, "w", encoding="ascii") as file:
            file.write("L")
        made = self.built("FROM scratch\nCOPY all /all\n")
        with open(os.fsencode(made.path("/all")) + b"/latin-\xe9", encoding="ascii") as file:
            self.assertEqual(file.read(), "L")

    def test_a_path_over_the_limits_of_old_tars_survives(self):
        deep = "/".join(["d" * 200] * 4) + "/" + "f" * 200
        made = self.built("FROM scratch\nCOPY long /long\n", {f"long/{deep}": "deep"})
        self.assertEqual(made.text(f"/long/{deep}"), "deep")

    def test_empty_directories_and_empty_files_are_copied(self):
        made = self.built("FROM scratch\nCOPY tree /tree\n", {"tree/empty/inside": None, "tree/file": ""})
        self.assertEqual(made.names("/tree"), ["empty", "file"])
        self.assertEqual(made.names("/tree/empty"), ["inside"])
        self.assertEqual(made.stat("/tree/file").st_size, 0)

    def test_exclude_leaves_out_what_its_patterns_match(self):
        files = {f"tree/{name}": name for name in ("a.txt", "b.md", "sub/c.txt", "sub/d.md", "sub/e/f.txt")}
        made = self.built("FROM scratch\nCOPY --exclude=*.md --exclude=sub/e tree /one\nCOPY --exclude=**/*.txt tree /two\n"
                          "COPY --exclude=b.md tree/* /three/\n", files)
        self.assertEqual(made.names("/one"), ["a.txt", "sub"])
        self.assertEqual(made.names("/one/sub"), ["c.txt", "d.md"])
        self.assertEqual(made.names("/two"), ["b.md", "sub"])
        self.assertIn("d.md", made.names("/two/sub"))
        self.assertNotIn("c.txt", made.names("/two/sub"))
        self.assertNotIn("b.md", made.names("/three"))

    def test_a_step_that_copies_nothing_changes_nothing(self):
        made = self.built("FROM busybox\nCOPY no-such-* /etc/\n")
        self.assertEqual(self.layer(made.reference), {})

    def test_here_documents_become_files(self):
        made = self.built("FROM busybox\nARG WHO=you\nCOPY <<one <<-\"two\" /docs/\nhello $WHO\none\n\t\traw $WHO\n\ttwo\n"
                          "COPY --chmod=755 --chown=3:4 <<EOF /bin/tool\n#!/bin/sh\necho \\$0\nEOF\n"
                          "COPY <<motd /etc\nwelcome\nmotd\nRUN /bin/tool > /ran\n")
        self.assertEqual(made.text("/docs/one"), "hello you\n")
        self.assertEqual(made.text("/docs/two"), "raw $WHO\n")
        self.assertEqual(made.mode("/docs/one"), "0644")
        self.assertEqual(made.text("/bin/tool"), "#!/bin/sh\necho $0\n")
        self.assertEqual((made.mode("/bin/tool"), made.owner("/bin/tool")), ("0755", "3:4"))
        self.assertEqual(made.text("/etc/motd"), "welcome\n")
        self.assertEqual(made.text("/ran"), "/bin/tool\n")


class DestinationTest(kilntest.SharedDaemonTest):
    def base_created(self):
        """Seconds: when the base image says it was made."""
        text = subprocess.run(["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Created.Unix}}",
                               f"docker://{self.mirror.host}/library/busybox"], check=True, capture_output=True).stdout
        return int(text)

    def test_the_form_of_the_destination_says_file_or_directory(self):
        made = self.built("FROM busybox\nCOPY f /new/\nCOPY f /file\nCOPY f /etc\nWORKDIR /work\nCOPY f .\nCOPY f g\n"
                          "COPY f sub/\nCOPY f ../up\nCOPY f ./\nENV D=/var/d\nCOPY f ${D}/x\n", {"f": "F"})
        for path in ("/new/f", "/file", "/etc/f", "/work/f", "/work/g", "/work/sub/f", "/up", "/var/d/x"):
            self.assertEqual(made.text(path), "F", path)

    def test_missing_parents_are_roots_0755_and_as_old_as_the_base(self):
        self.assertGreater(self.base_created(), 0)
        made = self.built("FROM busybox\nCOPY f /p1/p2/f\nCOPY d /q1/q2/\nCOPY --chown=5:6 f /o1/o2/f\nWORKDIR /w1/w2\n",
                          {"f": "F", "d/x": "X"})
        for path in ("/p1", "/p1/p2", "/q1", "/q1/q2", "/w1", "/w1/w2"):
            self.assertEqual((made.mode(path), made.owner(path)), ("0755", "0:0"), path)
            self.assertEqual(made.stat(path).st_mtime, self.base_created(), path)
        for path in ("/o1", "/o1/o2", "/o1/o2/f"):
            self.assertEqual(made.owner(path), "5:6", path)

    def test_an_existing_directory_keeps_its_time_owner_and_mode(self):
        made = self.built("FROM busybox\nRUN mkdir -m 750 /d && chown 7:8 /d && touch -d @1234567890 /d\nCOPY f /d/\n"
                          "COPY tree /d\nCOPY f /d/deeper/f\n", {"f": "F", "tree/t": "T"})
        self.assertEqual(made.names("/d"), ["deeper", "f", "t"])
        status = made.stat("/d")
        self.assertEqual((made.mode("/d"), made.owner("/d"), status.st_mtime), ("0750", "7:8", 1234567890))
        for index in (-1, -2, -3):
            entries = {name.rstrip("/"): entry for name, entry in self.layer(made.reference, index).items()}
            self.assertEqual(entries["d"].mtime, 1234567890)

    def test_a_layer_holds_only_what_the_step_made(self):
        made = self.built("FROM busybox\nCOPY f /usr/share/f\n", {"f": "F"})
        names = {name.rstrip("/") for name in self.layer(made.reference)}
        self.assertIn("usr/share/f", names)
        self.assertLessEqual(names, {"usr", "usr/share", "usr/share/f"})

    def test_links_in_the_image_lead_to_places_in_the_image(self):
        outside = self.directory / "outside"
        outside.mkdir()
        made = self.built(
            f"FROM busybox\nRUN mkdir -p /real/dir{outside} && ln -s /real/dir /abs && ln -s real/dir /rel "
            f"&& ln -s ../../../../real /climb && ln -s {outside} /hostile && ln -s /abs /chain && echo old > /real/old "
            "&& ln -s /real/old /filelink\n"
            f"RUN mkdir -p {outside}\n"
            "COPY f /abs/1\nCOPY f /rel/2\nCOPY f /climb/dir/3\nCOPY f /hostile/4\nCOPY f /chain/\nCOPY tree /abs\n"
            "COPY f /abs/../5\nCOPY f /filelink\n", {"f": "F", "tree/t": "T"})
        self.assertEqual(sorted(set(made.names("/real/dir")) - {"tmp"}), ["1", "2", "3", "f", "t"])
        self.assertEqual(made.text(f"{outside}/4"), "F")
        self.assertEqual(list(outside.iterdir()), [])
        self.assertTrue(made.path("/abs").is_symlink() and made.path("/climb").is_symlink())

    def test_a_dangling_link_as_the_destinations_parent_is_an_error(self):
        failed = self.refused("FROM busybox\nRUN ln -s /gone /dangling\nCOPY f /dangling/x\n", {"f": "F"})
        self.assertIn("/dangling", failed.err)
        self.assertIn("Dockerfile:3", failed.err)

    def test_a_file_does_not_replace_a_directory_nor_a_directory_a_file(self):
        failed = self.refused("FROM busybox\nCOPY src /\n", {"src/etc": "a file", "tree2/passwd/x": "X"})
        self.assertIn("etc", failed.err)
        self.assertIn("directory", failed.err)
        failed = self.refused("FROM busybox\nCOPY tree2 /etc\n")
        self.assertIn("passwd", failed.err)
        self.assertIn("not a directory", failed.err)
        failed = self.refused("FROM busybox\nCOPY src/etc /etc/passwd/\n")
        self.assertIn("/etc/passwd", failed.err)

    def test_a_copy_over_an_existing_tree_merges_and_takes_the_sources_metadata(self):
        context = self.context({"tree/sub/new": "N", "tree/both": "new"})
        (context / "tree/sub").chmod(0o711)
        made = self.built("FROM busybox\nRUN mkdir -p /t/sub && echo old > /t/both && echo kept > /t/sub/old && chmod 700 /t/sub\n"
                          "COPY tree /t\n")
        self.assertEqual(made.names("/t/sub"), ["new", "old"])
        self.assertEqual(made.text("/t/both"), "new")
        self.assertEqual(made.mode("/t/sub"), "0711")

    def test_a_link_in_the_way_of_a_file_is_replaced_not_followed(self):
        made = self.built("FROM busybox\nRUN mkdir /t && echo precious > /precious && ln -s /precious /t/f\nCOPY tree /t\n",
                          {"tree/f": "F"})
        self.assertEqual(made.text("/precious"), "precious\n")
        self.assertEqual(made.text("/t/f"), "F")
        self.assertFalse(made.path("/t/f").is_symlink())


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

    def test_special_files_are_kept_and_sockets_left_out(self):
        context = self.context({"tree/f": "F"})
        os.mkfifo(context / "tree/fifo", 0o640)
        os.mknod(context / "tree/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(context / "tree/socket", 0o666 | stat.S_IFSOCK)
        made = self.built("FROM scratch\nCOPY tree /t\n")
        self.assertEqual(made.names("/t"), ["f", "fifo", "null"])
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

    def test_chown_to_a_name_that_does_not_exist_is_root(self):
        made = self.built("FROM busybox\nCOPY --chown=nosuch f /u\nCOPY --chown=5:nosuch f /g\n", {"f": "F"})
        self.assertEqual([made.owner(path) for path in ("/u", "/g")], ["0:0", "5:5"])

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


class IgnoreTest(kilntest.SharedDaemonTest):
    FILES = {"a.txt": "", "b.md": "", "keep.md": "", "sub/c.md": "", "sub/d.txt": "", "sub/deep/e.tmp": "", "x/y/z.tmp": "",
             "node_modules/m": "", "sub/node_modules/n": "", "secret": ""}

    def copied(self, ignore, dockerfile="FROM scratch\nCOPY . /all\n", **more):
        made = self.built(dockerfile, {**self.FILES, ".dockerignore": ignore, **more})
        root = made.path("/all")
        return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}

    def test_patterns_exclude_and_the_last_match_wins(self):
        found = self.copied("# a comment\n*.md\n!keep.md\nsecret\n/sub/d.txt\n")
        self.assertEqual(found & set(self.FILES), set(self.FILES) - {"b.md", "secret", "sub/d.txt"})
        self.assertIn("Dockerfile", found)

    def test_two_stars_cross_directories(self):
        found = self.copied("**/*.tmp\n**/node_modules\n")
        self.assertEqual(found & set(self.FILES), {"a.txt", "b.md", "keep.md", "sub/c.md", "sub/d.txt", "secret"})

    def test_a_file_below_an_excluded_directory_can_come_back(self):
        found = self.copied("*\n!sub/deep\n!a.txt\n")
        self.assertEqual(found, {"sub/deep/e.tmp", "a.txt"})

    def test_the_ignore_file_and_the_dockerfile_can_be_excluded(self):
        found = self.copied(".dockerignore\nDockerfile\n")
        self.assertEqual(found & {".dockerignore", "Dockerfile"}, set())

    def test_the_dockerfiles_own_ignore_file_comes_first(self):
        context = self.context({**self.FILES, ".dockerignore": "a.txt\n", "other.Dockerfile": "FROM scratch\nCOPY . /all\n",
                                "other.Dockerfile.dockerignore": "secret\n"})
        name = self.new_name()
        self.build(self.kilnd, context, "-f", context / "other.Dockerfile", "-t", name, "--push")
        rootfs, _ = self.unpack(name)
        self.assertTrue((rootfs / "all/a.txt").exists())
        self.assertFalse((rootfs / "all/secret").exists())

    def test_an_excluded_source_is_an_error_that_says_so(self):
        failed = self.refused("FROM scratch\nCOPY secret /x\n", {**self.FILES, ".dockerignore": "secret\n"})
        self.assertIn('"secret"', failed.err)
        self.assertIn("ignore", failed.err)

    def test_an_ignored_file_does_not_enter_a_glob(self):
        made = self.built("FROM scratch\nCOPY *.md /all/\n", {**self.FILES, ".dockerignore": "b.md\n"})
        self.assertEqual(made.names("/all"), ["keep.md"])


class AddTest(kilntest.SharedDaemonTest):
    ENTRIES = {"inner/file": b"from the archive", "top": b"top"}

    def test_archives_of_every_compression_are_unpacked(self):
        plain = tar_of(self.ENTRIES)
        zst = subprocess.run(["zstd", "-q"], input=plain, check=True, capture_output=True).stdout
        files = {"a.tar": plain, "a.tar.gz": gzip.compress(plain), "a.tar.bz2": bz2.compress(plain),
                 "a.tar.xz": lzma.compress(plain), "a.tar.zst": zst, "no-extension": gzip.compress(plain)}
        made = self.built("FROM scratch\n" + "".join(f"ADD {name} /{i}/\n" for i, name in enumerate(files)), files)
        for i, name in enumerate(files):
            self.assertEqual(made.text(f"/{i}/inner/file"), "from the archive", name)
            self.assertEqual((made.owner(f"/{i}/top"), made.mode(f"/{i}/top")), ("12:34", "0640"), name)
            self.assertEqual(made.stat(f"/{i}/top").st_mtime, MADE)

    def test_what_is_no_archive_is_copied(self):
        files = {"text": "just text", "text.gz": gzip.compress(b"not a tar"), "empty": "", "fake.tar": b"no tar at all" * 100,
                 "dir/archive.tar": tar_of(self.ENTRIES)}
        made = self.built("FROM scratch\nADD text text.gz empty fake.tar /d/\nADD dir /dir\nADD text /renamed\n", files)
        self.assertEqual(made.names("/d"), ["empty", "fake.tar", "text", "text.gz"])
        self.assertEqual(made.path("/d/text.gz").read_bytes(), files["text.gz"])
        self.assertEqual(made.text("/renamed"), "just text")
        self.assertEqual(made.names("/dir"), ["archive.tar"])

    def test_unpack_false_and_copy_leave_archives_alone(self):
        archive = tar_of(self.ENTRIES)
        made = self.built("FROM scratch\nADD --unpack=false a.tar /d/\nCOPY a.tar /c/\n", {"a.tar": archive})
        self.assertEqual(made.path("/d/a.tar").read_bytes(), archive)
        self.assertEqual(made.path("/c/a.tar").read_bytes(), archive)

    def test_chown_of_add_reaches_the_members(self):
        made = self.built("FROM scratch\nADD --chown=7:8 a.tar /d/\n", {"a.tar": tar_of(self.ENTRIES)})
        self.assertEqual([made.owner(path) for path in ("/d", "/d/top", "/d/inner/file")], ["7:8"] * 3)

    def test_members_cannot_leave_the_image(self):
        outside = self.directory / "outside"
        outside.mkdir()
        climbing = "../" * 20 + str(outside).lstrip("/") + "/climbed"
        hostile = {"escape": link_entry("escape", str(outside)), "escape/through": b"x", climbing: b"x",
                   str(outside / "absolute"): b"x"}
        context = self.context({"h.tar": tar_of(hostile), "Dockerfile": "FROM busybox\nADD h.tar /d/\n"})
        done = self.kilnd.kiln("build", "--progress=plain", context)
        self.assertIn(done.code, (0, 1))
        self.assertEqual(list(outside.iterdir()), [])

    def test_a_damaged_archive_is_an_error_that_names_it(self):
        packed = gzip.compress(tar_of({"big": os.urandom(200_000)}))
        failed = self.refused("FROM scratch\nADD broken.tar.gz /d/\n", {"broken.tar.gz": packed[:len(packed) // 2]})
        self.assertIn("broken.tar.gz", failed.err)

    def test_an_archive_lands_on_what_is_there(self):
        made = self.built("FROM busybox\nRUN mkdir -p /d/inner && echo old > /d/top && echo kept > /d/inner/old\nADD a.tar /d\n",
                          {"a.tar": tar_of(self.ENTRIES)})
        self.assertEqual(made.text("/d/top"), "top")
        self.assertEqual(made.names("/d/inner"), ["file", "old"])


class RightsTest(kilntest.KilnTest):
    def test_a_context_is_read_with_the_callers_rights(self):
        daemon = self.daemon()
        daemon.socket.chmod(0o666)
        context = self.context({"Dockerfile": "FROM scratch\nCOPY open /x\n", "open": "O", "private": "P"})
        (context / "private").chmod(0o600)
        for name in ("Dockerfile", "open"):
            os.chown(context / name, 0, 0)
            (context / name).chmod(0o644)
        nobody = 65534
        self.build(daemon, context, user=nobody)
        (context / "Dockerfile").write_text("FROM scratch\nCOPY private /x\n")
        failed = self.build(daemon, context, user=nobody, code=1)
        self.assertIn("private", failed.err)
        self.assertIn("ermission denied", failed.err)


if __name__ == "__main__":
    kilntest.main()
