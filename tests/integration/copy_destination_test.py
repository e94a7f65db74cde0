"""COPY: where files arrive, and what becomes of what is there."""
import subprocess

import kilntest


class DestinationTest(kilntest.SharedDaemonTest):
    def base_created(self):
        """Seconds: when the base image says it was made."""
        text = subprocess.run(["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Created.Unix}}",
                               f"docker://{self.mirror.host}/library/busybox"], check=True, capture_output=True).stdout
        return int(text)

    def test_the_form_of_the_destination_says_file_or_directory(self):
        made = self.built("FROM busybox\nCOPY f /new/\nCOPY f /file\nCOPY f /etc\nWORKDIR /project\nCOPY f .\nCOPY f g\n"
                          "COPY f sub/\nCOPY f ../up\nCOPY f ./\nENV D=/var/d\nCOPY f ${D}/x\n", {"f": "F"})
        for path in ("/new/f", "/file", "/etc/f", "/project/f", "/project/g", "/project/sub/f", "/up", "/var/d/x"):
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

    def test_a_destination_that_is_a_link_leads_to_what_is_written(self):
        made = self.built("FROM busybox\nRUN mkdir /real && echo old > /real/old && ln -s /real/old /link && ln -s /gone /dangling && "
                          "ln -s ../lost/file /real/lost\nCOPY f /link\nCOPY f /dangling/x\nCOPY f /real/lost\n"
                          "COPY <<EOF /dangling/doc\ntext\nEOF\n", {"f": "F"})
        self.assertTrue(made.path("/link").is_symlink() and made.path("/dangling").is_symlink())
        for path in ("/real/old", "/gone/x", "/lost/file"):
            self.assertEqual(made.text(path), "F", path)
        self.assertEqual(made.text("/gone/doc"), "text\n")

    def test_an_octal_mode_is_that_of_missing_parents_too(self):
        made = self.built("FROM busybox\nCOPY --chmod=4750 f /a/b/f\nCOPY --chmod=700 d /new\nCOPY --chmod=go-rx f /s/f\n"
                          "COPY --chmod=640 <<EOF /doc/x\ntext\nEOF\nCOPY --chmod=600 f /etc/f\n", {"f": "F", "d/sub/x": "X"})
        self.assertEqual([made.mode(path) for path in ("/a", "/a/b", "/a/b/f", "/new", "/new/sub", "/s", "/s/f", "/doc", "/doc/x", "/etc")],
                         ["0750", "0750", "4750", "0700", "0700", "0755", "0600", "0640", "0640", "0755"])

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


if __name__ == "__main__":
    kilntest.main()
