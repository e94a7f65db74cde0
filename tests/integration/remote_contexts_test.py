"""Contexts on the network: git repositories and files of web servers, as the main context and as named ones."""
import base64
import gzip
import io
import tarfile
import tempfile
import time

import gitserver
import kilntest
import web


def archive(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, text in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(text), 0o640
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


class RemoteTest(kilntest.SharedDaemonTest):
    def from_url(self, url, *flags, code=0, **options):
        name = self.new_name()
        result = self.kilnd.kiln("build", "--progress=plain", "-t", name, "--push", *flags, url, **options)
        self.assertEqual(result.code, code, result.text + "\n" + self.kilnd.log_text())
        if code:
            return result
        rootfs, config = self.unpack(name, f"unpacked-{self.number}")
        return kilntest.Built(name, rootfs, config, result)


class GitContextTest(RemoteTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.repository = gitserver.Repository(folder.name, "app")
        self.commit = self.repository.commit({
            "Dockerfile": "FROM scratch\nCOPY . /it/\n", ".dockerignore": "a\n", "a": "one",
            "sub/Dockerfile": "FROM scratch\nCOPY . /sub/\n", "sub/b": "two", "other.Dockerfile": "FROM scratch\nCOPY a /other\n"})
        self.server = gitserver.GitWeb(folder.name)
        self.addCleanup(self.server.stop)
        self.url = f"{self.server.url}/app.git"

    def test_the_tree_of_the_default_branch_is_the_context_and_no_dockerignore_applies(self):
        built = self.from_url(self.url)
        self.assertEqual(built.text("it/a"), "one")
        self.assertEqual(built.names("it"), [".dockerignore", "Dockerfile", "a", "other.Dockerfile", "sub"])
        self.assertEqual(built.owner("it/a"), "0:0")

    def test_a_private_repository_is_opened_by_a_token_of_the_client(self):
        self.server.authorization = "basic " + base64.b64encode(b"x-access-token:canary").decode()
        self.assertIn("GIT_AUTH_TOKEN", self.from_url(self.url, code=1).err)
        built = self.from_url(self.url, "--secret", "id=GIT_AUTH_TOKEN,env=TOKEN", env={"TOKEN": "canary"})
        self.assertEqual(built.text("it/a"), "one")

    def test_source_date_epoch_can_be_the_date_of_the_context_or_of_what_is_named(self):
        seconds = int(self.repository.git("log", "-1", "--format=%ct"))
        for built in (self.from_url(self.url, "--build-arg", "SOURCE_DATE_EPOCH=context"),
                      self.from_url(self.server.url + "/app.git", "--build-arg", "SOURCE_DATE_EPOCH=src",
                                    "--build-context", f"src={self.url}")):
            self.assertEqual(int(built.stat("it/a").st_mtime), seconds)
            self.assertEqual(built.config["created"], time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)))
        made = self.built(f"FROM scratch AS source\nADD {self.url} /\nFROM scratch\nCOPY --from=source /a /a\n", None,
                          "--build-arg", "SOURCE_DATE_EPOCH=source")
        self.assertEqual(int(made.stat("/a").st_mtime), seconds)

    def test_source_date_epoch_of_a_directory_is_unset_and_of_nothing_an_error(self):
        made = self.built("FROM busybox\nARG SOURCE_DATE_EPOCH\nRUN echo \"[$SOURCE_DATE_EPOCH]\" > /is\n", None,
                          "--build-arg", "SOURCE_DATE_EPOCH=context")
        self.assertEqual(made.text("/is"), "[]\n")
        failed = self.refused("FROM scratch\nCOPY Dockerfile /\n", None, "--build-arg", "SOURCE_DATE_EPOCH=nothing")
        self.assertIn("SOURCE_DATE_EPOCH=nothing", failed.err)

    def test_a_fragment_names_a_ref_and_a_directory(self):
        self.repository.commit({"a": "later"}, "next")
        self.assertEqual(self.from_url(f"{self.url}#next").text("it/a"), "later")
        self.assertEqual(self.from_url(f"{self.url}#{self.commit}").text("it/a"), "one")
        self.assertEqual(self.from_url(f"{self.url}#main:sub").names("sub"), ["Dockerfile", "b"])

    def test_file_is_a_path_in_the_repository(self):
        self.assertEqual(self.from_url(self.url, "-f", "other.Dockerfile").text("other"), "one")
        self.assertIn('has no "nowhere"', self.from_url(self.url, "-f", "nowhere", code=1).err)

    def test_file_is_the_clients_when_it_is_absolute_or_stdin(self):
        own = self.context({"mine": "FROM scratch\nCOPY a /mine\n"}) / "mine"
        self.assertEqual(self.from_url(self.url, "-f", own).text("mine"), "one")
        self.assertEqual(self.from_url(self.url, "-f", "-", stdin=b"FROM scratch\nCOPY a /in\n").text("in"), "one")

    def test_git_stays_when_it_is_asked_for(self):
        self.assertNotIn(".git", self.from_url(self.url).names("it"))
        built = self.from_url(self.url, "--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1")
        self.assertIn(".git", built.names("it"))

    def test_a_cached_build_asks_for_the_ref_alone(self):
        self.from_url(self.url)
        fetches = self.server.fetches()
        self.assertEqual(kilntest.ran(self.from_url(self.url).result), [])
        self.assertEqual(self.server.fetches(), fetches)

    def test_a_named_context_is_copied_from_and_built_on(self):
        built = self.built("FROM scratch\nCOPY --from=src a /a\n", None, "--build-context", f"src={self.url}")
        self.assertEqual(built.text("a"), "one")
        built = self.built("FROM base\n", None, "--build-context", f"base={self.url}#main:sub")
        self.assertEqual(built.text("b"), "two")

    def test_a_ref_that_is_not_there_is_told(self):
        result = self.from_url(f"{self.url}#nowhere", code=1)
        self.assertIn("nowhere", result.err)
        self.assertIn("app.git", result.err)

    def test_a_directory_of_the_name_goes_first(self):
        (self.directory / "github.com/a/b").mkdir(parents=True)
        (self.directory / "github.com/a/b/Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
        self.from_url("github.com/a/b", cwd=self.directory)

    def test_passwords_are_shown_nowhere(self):
        url = self.url.replace("http://", "http://user:hunter2@")
        result = self.from_url(url)
        self.assertNotIn("hunter2", result.result.text + self.kilnd.log_text())
        self.assertNotIn("hunter2", self.kilnd.kiln("builds").text)


class HttpContextTest(RemoteTest):
    def setUp(self):
        super().setUp()
        self.tar = archive({"Dockerfile": "FROM scratch\nCOPY . /it/\n", ".dockerignore": "a\n", "a": "one",
                            "x.Dockerfile": "FROM scratch\nCOPY a /x\n"})
        self.web = web.Web({"/c.tar": web.Page(self.tar, etag='"1"'), "/c.tgz": web.Page(gzip.compress(self.tar), etag='"1"'),
                            "/file": web.Page("FROM scratch\nCOPY context /it\n", modified=int(time.time()) - 100)})
        self.addCleanup(self.web.stop)

    def test_an_archive_is_a_context(self):
        for path in ("c.tar", "c.tgz"):
            built = self.from_url(f"{self.web.url}/{path}")
            self.assertEqual(built.names("it"), [".dockerignore", "Dockerfile", "a", "x.Dockerfile"])
            self.assertEqual(built.mode("it/a"), "0640")
        self.assertEqual(self.from_url(f"{self.web.url}/c.tar", "-f", "x.Dockerfile").text("x"), "one")

    def test_anything_else_is_a_dockerfile(self):
        built = self.from_url(f"{self.web.url}/file")
        self.assertEqual(built.text("it"), "FROM scratch\nCOPY context /it\n")

    def test_an_unchanged_archive_runs_nothing_and_is_not_sent_again(self):
        self.from_url(f"{self.web.url}/c.tar")
        self.assertEqual(kilntest.ran(self.from_url(f"{self.web.url}/c.tar").result), [])
        self.assertEqual(self.web.sent("/c.tar")[1:], [0])

    def test_a_named_context_is_one_file(self):
        built = self.built("FROM scratch\nCOPY --from=src context /file\n", None, "--build-context",
                           f"src={self.web.url}/file")
        self.assertEqual(built.text("file"), "FROM scratch\nCOPY context /it\n")

    def test_a_missing_file_is_told(self):
        self.assertIn("404", self.from_url(f"{self.web.url}/nowhere", code=1).err)


if __name__ == "__main__":
    kilntest.main()
