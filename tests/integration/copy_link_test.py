"""COPY --link: layers that do not depend on what is below them."""
import kilntest


class LinkTest(kilntest.SharedDaemonTest):
    def test_a_linked_layer_is_kept_when_the_base_changes(self):
        files = {"f": "F", "Dockerfile": "ARG V\nFROM busybox AS base\nARG V\nRUN echo $V > /v\nFROM base\nCOPY --link f /deep/er/f\n"
                                         "COPY --link --from=base /bin/true /tools/\nWORKDIR /deep\nRUN cat er/f /v > /seen\n"}
        context = self.context(files)
        first = self.build(self.kilnd, context, "--build-arg", "V=1")
        second = self.build(self.kilnd, context, "--build-arg", "V=2")
        self.assertIn("RUN echo 1 > /v", "".join(kilntest.ran(first)))
        ran = "".join(kilntest.ran(second))
        self.assertIn("RUN echo 2 > /v", ran)
        self.assertNotIn("COPY --link f", ran)

    def test_the_destination_is_not_looked_at(self):
        made = self.built("FROM busybox\nRUN mkdir -p /real /old && chmod 700 /old && chown 5:6 /old && touch /old/kept /real/kept && ln -s /real /link "
                          "&& mkdir /taken && touch /taken/x\n"
                          "COPY --link f /link/f\nCOPY --link f /old/f\nCOPY --link d /old/sub\nCOPY --link f /taken\n", {"f": "F", "d/x": "X"})
        self.assertFalse(made.path("/link").is_symlink())
        self.assertEqual((made.names("/link"), made.names("/real")), (["f"], ["kept"]))
        self.assertEqual(made.names("/old"), ["f", "kept", "sub"])
        self.assertEqual((made.mode("/old"), made.owner("/old")), ("0755", "0:0"))
        self.assertEqual(made.text("/taken"), "F")

    def test_later_steps_see_what_was_linked(self):
        made = self.built("FROM busybox\nWORKDIR /w\nCOPY --link f .\nADD --link --chown=3:4 f g\nRUN cat f g > both && rm f\nCOPY --link f /w/f\n", {"f": "F"})
        self.assertEqual((made.text("/w/both"), made.text("/w/f"), made.owner("/w/g")), ("FF", "F", "3:4"))

    def test_on_scratch_it_is_an_ordinary_copy(self):
        made = self.built("FROM scratch\nCOPY --link f /a/f\nCOPY --link f /a/g\n", {"f": "F"})
        self.assertEqual(made.names("/a"), ["f", "g"])
        self.assertEqual((made.mode("/a"), made.owner("/a")), ("0755", "0:0"))

    def test_a_mode_is_that_of_what_is_copied_and_of_no_directory_on_the_way(self):
        made = self.built("FROM busybox\nCOPY --link --chmod=640 f /usr/new/f\n", {"f": "F"})
        self.assertEqual([made.mode(path) for path in ("/usr", "/usr/new", "/usr/new/f")], ["0755", "0755", "0640"])

    def test_a_mode_does_not_turn_it_off(self):
        made = self.built("FROM busybox\nRUN mkdir /real && ln -s /real /link\nCOPY --link --chmod=640 f /link/f\n", {"f": "F"})
        self.assertFalse(made.path("/link").is_symlink())

    def test_owners_by_name_are_refused_with_the_way_out(self):
        failed = self.refused("FROM busybox\nCOPY --link --chown=daemon f /f\n", {"f": "F"})
        self.assertIn("give numbers", failed.err)
        self.assertIn("Dockerfile:2", failed.err)


if __name__ == "__main__":
    kilntest.main()
