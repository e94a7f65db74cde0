"""Steps whose inputs were made again with the same content: they do not run."""
import kilntest

TWO_STAGES = """FROM busybox AS maker
ARG NOISE
RUN echo $NOISE > /noise && mkdir /out && echo same > /out/file && chown 1:2 /out/file
FROM busybox
COPY --from=maker /out /in
RUN cat /in/file > /last
"""


def ran(result):
    """The instructions that were executed; an image that was only looked at is none."""
    return [name for name in kilntest.ran(result) if not name.startswith("FROM ")]


class ContentKeysTest(kilntest.SharedDaemonTest):
    def rebuilt(self, dockerfile, **arguments):
        """The steps that run when a second build has other arguments."""
        context = self.context({"Dockerfile": dockerfile})
        self.build(self.kilnd, context, "--build-arg=NOISE=first")
        return ran(self.build(self.kilnd, context, *(f"--build-arg={k}={v}" for k, v in arguments.items())))

    def test_an_equal_rebuilt_stage_stops_the_rebuild_where_it_is_copied_from(self):
        again = self.rebuilt(TWO_STAGES, NOISE="second")
        self.assertEqual(len(again), 1, again)
        self.assertIn("echo second", again[0])

    def test_a_changed_byte_mode_or_owner_of_what_is_copied_is_seen(self):
        for change in ("echo other > /out/file", "chmod 600 /out/file", "chown 3 /out/file", "ln -s file /out/link"):
            dockerfile = TWO_STAGES.replace("chown 1:2 /out/file", f"if [ $NOISE = second ]; then {change}; fi")
            again = self.rebuilt(dockerfile, NOISE="second")
            self.assertEqual(len(again), 3, (change, again))

    def test_what_is_not_copied_does_not_count(self):
        again = self.rebuilt(TWO_STAGES.replace("/out /in", "/out/file /in/").replace("echo same", "echo part"), NOISE="second")
        self.assertEqual(len(again), 1, again)

    def test_without_cache_everything_runs(self):
        context = self.context({"Dockerfile": TWO_STAGES})
        self.build(self.kilnd, context, "--build-arg=NOISE=x")
        self.assertEqual(len(ran(self.build(self.kilnd, context, "--build-arg=NOISE=x", "--no-cache"))), 3)


if __name__ == "__main__":
    kilntest.main()
