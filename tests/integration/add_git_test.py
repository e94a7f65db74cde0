"""ADD of git repositories: refs, subdirectories, submodules, .git, and repositories that mean no good."""
import base64
import os
import subprocess

import kilntest
from gitserver import GitDaemon, GitWeb, Repository


class GitCase(kilntest.SharedDaemonTest):
    def setUp(self):
        super().setUp()
        self.folder = self.directory / "repositories"
        self.folder.mkdir()

    def repository(self, name="app", **config):
        return Repository(self.folder, name, **config)

    def web(self, **options):
        server = GitWeb(self.folder, **options)
        self.addCleanup(server.stop)
        return server

    def added(self, source, *flags, options="", destination="/src", **more):
        return self.built(f"FROM scratch\nADD {options} {source} {destination}\n", None, *flags, **more)

    def add_refused(self, source, options=""):
        return self.refused(f"FROM scratch\nADD {options} {source} /src\n").err


class TreeTest(GitCase):
    def test_the_default_branch_arrives_with_modes_and_links_and_without_git(self):
        app = self.repository()
        (app.tree / "run").write_text("#!/bin/sh\n")
        (app.tree / "run").chmod(0o775)
        app.commit({"a.txt": "a", "deep/er/b.txt": "b", "link": ("->", "a.txt")})
        built = self.added(f"{self.web().url}/app.git")
        self.assertEqual(built.names("/src"), ["a.txt", "deep", "link", "run"])
        self.assertEqual([built.mode(f"/src/{name}") for name in ("a.txt", "run", "deep")], ["0644", "0755", "0755"])
        self.assertEqual((os.readlink(built.path("/src/link")), built.owner("/src/a.txt")), ("a.txt", "0:0"))

    def test_branches_tags_commits_and_pull_refs_are_found(self):
        app = self.repository()
        first = app.commit({"a": "first"})
        app.tag("v1")
        app.commit({"a": "second"})
        app.tag("v2", "-a", "-m", "annotated")
        app.commit({"a": "branched"}, ref="feature/x")
        app.commit({"a": "pulled"}, ref="refs/pull/7/head")
        url = f"{self.web().url}/app.git"
        for ref, text in {"#v1": "first", "#v2": "second", "#feature/x": "branched", "#refs/pull/7/head": "pulled",
                          "#pull/7/head": "pulled", f"#{first}": "first", "#main": "second", "": "second",
                          "?tag=v2": "second", "?branch=feature/x": "branched", "?ref=refs/tags/v1": "first"}.items():
            self.assertEqual(self.added(url + ref).text("/src/a"), text, ref)

    def test_a_commit_that_no_ref_points_to_comes_over_every_protocol(self):
        app = self.repository()
        first = app.commit({"a": "first"})
        app.commit({"a": "second"})
        subprocess.run(["git", "--git-dir", str(app.bare), "update-server-info"], check=True)
        plain = GitDaemon(self.folder)
        self.addCleanup(plain.stop)
        for server in (self.web(), self.web(dumb=True), plain):
            self.assertEqual(self.added(f"{server.url}/app.git#{first}").text("/src/a"), "first")

    def test_a_subdirectory_is_all_there_is(self):
        app = self.repository()
        app.commit({"a": "a", "sub/dir/b": "b", "sub/c": "c"})
        url = f"{self.web().url}/app.git"
        self.assertEqual(self.added(f"{url}#main:sub").names("/src"), ["c", "dir"])
        self.assertEqual(self.added(f"{url}?subdir=sub/dir").names("/src"), ["b"])
        self.assertIn('no directory "none"', self.add_refused(f"{url}#:none"))

    def test_a_link_is_no_way_to_a_subdirectory(self):
        app = self.repository()
        app.commit({"out": ("->", "/etc"), "dir/x": "x"})
        self.assertIn("out", self.add_refused(f"{self.web().url}/app.git#main:out"))

    def test_times_are_those_of_the_commit_on_demand(self):
        app = self.repository()
        app.commit({"a": "a", "d/b": "b"})
        built = self.added(f"{self.web().url}/app.git?mtime=commit")
        layer = self.layer(built.reference)
        self.assertEqual({layer[name].mtime for name in ("src/a", "src/d", "src/d/b")}, {app.date})

    def test_owner_mode_and_excludes_apply(self):
        app = self.repository()
        app.commit({"a": "a", "b.md": "b"})
        built = self.added(f"{self.web().url}/app.git", options="--chown=3:4 --chmod=700 --exclude=*.md")
        self.assertEqual((built.names("/src"), built.owner("/src/a"), built.mode("/src/a")), (["a"], "3:4", "0700"))

    def test_a_repository_of_the_other_hash_is_understood(self):
        tree = self.folder / "tree"
        subprocess.run(["git", "init", "-q", "-b", "main", "--object-format=sha256", str(tree)], check=True)
        (tree / "a").write_text("a")
        identity = ["-c", "user.name=x", "-c", "user.email=x@x"]
        subprocess.run(["git", *identity, "add", "-A"], check=True, cwd=tree)
        subprocess.run(["git", *identity, "commit", "-q", "-m", "x"], check=True, cwd=tree)
        subprocess.run(["git", "clone", "-q", "--bare", str(tree), str(self.folder / "long.git")], check=True)
        self.assertEqual(self.added(f"{self.web().url}/long.git").text("/src/a"), "a")

    def test_an_unchanged_ref_is_only_asked_about_and_a_moved_one_is_fetched(self):
        app = self.repository()
        app.commit({"a": "one", "this": "commit is no other test's: known ones are not fetched"})
        web = self.web()
        url = f"{web.url}/app.git"
        self.added(url)
        again = self.added(url)
        self.assertEqual((kilntest.ran(again.result), web.fetches()), ([], 1))
        app.commit({"a": "two"})
        self.assertEqual((self.added(url).text("/src/a"), web.fetches()), ("two", 2))

    def test_a_known_commit_is_asked_nobody_about(self):
        app = self.repository()
        commit = app.commit({"a": "one"})
        web = self.web()
        self.added(f"{web.url}/app.git#{commit}")
        asked = len(web.asked)
        self.added(f"{web.url}/app.git#{commit}", "--no-cache")
        self.assertEqual(len(web.asked), asked)


    def test_a_damaged_copy_of_a_repository_is_fetched_again(self):
        app = self.repository()
        app.commit({"a": "to be damaged", "sub/b": "two"})
        url = f"{self.web().url}/app.git"
        self.added(url)
        objects = list((self.kilnd.root / "git").glob("*/objects/[0-9a-f][0-9a-f]/*"))
        self.assertTrue(objects)
        for path in objects:
            path.chmod(0o600)
            path.write_bytes(path.read_bytes()[:10])
        self.assertEqual(self.added(f"{url}#:sub").text("/src/b"), "two")


class GitDirTest(GitCase):
    def test_git_is_kept_on_demand_with_one_commit_and_the_remote(self):
        app = self.repository()
        app.commit({"a": "one"})
        commit = app.commit({"a": "two"})
        url = f"{self.web().url}/app.git"
        for source, options in ((url, "--keep-git-dir=true"), (f"{url}?keep-git-dir=true", ""),
                                (f"{url}#{commit}", "--keep-git-dir")):
            built = self.added(source, options=options)

            def git(*arguments, tree=built.path("/src")):
                return subprocess.run(["git", "-c", "safe.directory=*", *arguments], cwd=tree, check=True,
                                      capture_output=True).stdout.decode().strip()
            self.assertEqual((git("rev-parse", "HEAD"), git("rev-list", "--count", "HEAD"), git("status", "--porcelain"),
                              git("remote", "get-url", "origin")), (commit, "1", "", url))

    def test_an_annotated_tag_is_there(self):
        app = self.repository()
        app.commit({"a": "one"})
        tag = app.tag("v1", "-a", "-m", "annotated")
        built = self.added(f"{self.web().url}/app.git#v1", options="--keep-git-dir=true")
        refs = subprocess.run(["git", "-c", "safe.directory=*", "show-ref"], cwd=built.path("/src"), check=True,
                              capture_output=True).stdout.decode()
        self.assertIn(f"{tag} refs/tags/v1", refs)

    def test_a_branch_and_its_whole_ref_each_leave_the_ref_that_was_named(self):
        app = self.repository()
        commit = app.commit({"a": "one"})
        refs = []
        for fragment in ("main", "refs/heads/main"):
            built = self.added(f"{self.web().url}/app.git#{fragment}", options="--keep-git-dir=true")
            refs.append(subprocess.run(["git", "-c", "safe.directory=*", "show-ref"], cwd=built.path("/src"), check=True,
                                       capture_output=True).stdout.decode().split())
        for found in refs:
            self.assertIn(commit, found)
        self.assertNotEqual(refs[0], refs[1])

    def test_a_url_that_contradicts_the_flag_is_refused(self):
        self.assertIn("inconsistent keep-git-dir configuration",
                      self.add_refused("http://127.0.0.1:1/x.git?keep-git-dir=false", "--keep-git-dir=true"))


class ChecksumTest(GitCase):
    def test_whole_and_abbreviated_commits_are_verified(self):
        app = self.repository()
        commit = app.commit({"a": "one"})
        url = f"{self.web().url}/app.git"
        for options, query in ((f"--checksum={commit}", ""), (f"--checksum={commit[:9]}", "#main"),
                               ("", f"?branch=main&checksum={commit}"), ("", f"?commit={commit}&fetch-by-commit=true")):
            self.assertEqual(self.added(url + query, options=options).text("/src/a"), "one")

    def test_another_commit_is_refused_with_both(self):
        app = self.repository()
        commit = app.commit({"a": "one"})
        error = self.add_refused(f"{self.web().url}/app.git#main", "--checksum=" + "1" * 40)
        self.assertIn(commit, error)
        self.assertIn("1" * 40, error)
        self.assertIn("Dockerfile:2", error)

    def test_an_annotated_tag_may_be_named_by_itself_or_its_commit(self):
        app = self.repository()
        commit = app.commit({"a": "one"})
        tag = app.tag("v1", "-a", "-m", "annotated")
        for checksum in (commit, tag):
            self.assertEqual(self.added(f"{self.web().url}/app.git#v1", options=f"--checksum={checksum}").text("/src/a"),
                             "one")


class SubmoduleTest(GitCase):
    def nested(self, url):
        inner, middle, outer = self.repository("inner"), self.repository("middle"), self.repository("outer")
        inner.commit({"i": "inner"})
        middle.commit({"m": "middle"})
        for tree, name, remote in ((middle, "inner", "../inner.git"), (outer, "middle", f"{url}/middle.git")):
            (tree.tree / ".gitmodules").write_text(f'[submodule "{name}"]\n\tpath = {name}\n\turl = {remote}\n')
            commit = {"inner": inner, "middle": middle}[name].git("rev-parse", "HEAD")
            tree.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{name}")
            tree.git("add", ".gitmodules")
            tree.date += 100
            tree.git("commit", "-q", "-m", "submodule")
            tree.push()

    def test_submodules_of_submodules_come_along(self):
        web = self.web()
        self.nested(web.url)
        for options in ("", "--keep-git-dir=true"):
            built = self.added(f"{web.url}/outer.git", options=options)
            self.assertEqual((built.text("/src/middle/m"), built.text("/src/middle/inner/i")), ("middle", "inner"))
            self.assertEqual(".git" in built.names("/src/middle"), bool(options))

    def test_submodules_stay_away_on_demand(self):
        web = self.web()
        self.nested(web.url)
        built = self.added(f"{web.url}/outer.git?submodules=false")
        self.assertEqual(built.names("/src/middle"), [])

    def test_submodules_that_are_paths_or_commands_are_refused(self):
        canary = self.directory / "canary"
        for number, remote in enumerate((f"file://{self.folder}/inner.git", str(self.folder / "inner.git"),
                                         f"ext::sh -c touch% {canary}", f"--upload-pack=touch {canary}")):
            inner = self.folder / "inner.git"
            commit = Repository(self.folder, "inner").commit({"i": "inner"}) if not inner.exists() else commit
            bad = self.repository(f"bad{number}")
            (bad.tree / ".gitmodules").write_text(f'[submodule "x"]\n\tpath = x\n\turl = {remote}\n\tupdate = !touch {canary}\n')
            bad.git("update-index", "--add", "--cacheinfo", f"160000,{commit},x")
            bad.git("add", ".gitmodules")
            bad.git("commit", "-q", "-m", "bad")
            bad.push()
            self.add_refused(f"{self.web().url}/bad{number}.git")
            self.assertFalse(canary.exists())


class AccessTest(GitCase):
    def test_a_password_in_the_url_is_sent_to_its_host_and_kept_nowhere(self):
        app = self.repository()
        app.commit({"a": "one"})
        web = self.web(authorization="Basic bWU6c2VjcmV0LXdvcmQ=")
        built = self.added(f"http://me:secret-word@{web.host}/app.git", options="--keep-git-dir=true")
        self.assertEqual(built.text("/src/a"), "one")
        found = subprocess.run(["grep", "-rl", "secret-word", str(self.kilnd.root / "git"), str(built.path("/src"))],
                               capture_output=True).stdout
        self.assertEqual(found, b"")

    def test_a_token_of_the_client_opens_a_repository_and_is_kept_nowhere(self):
        self.repository().commit({"a": "one"})
        web = self.web(authorization="basic " + base64.b64encode(b"x-access-token:canary-token").decode())
        for secret in ("GIT_AUTH_TOKEN", "GIT_AUTH_TOKEN.127.0.0.1"):
            built = self.added(f"{web.url}/app.git", "--no-cache", "--secret", f"id={secret},env=CANARY",
                               options="--keep-git-dir=true", env={"CANARY": "canary-token"})
            self.assertEqual(built.text("/src/a"), "one")
        found = subprocess.run(["grep", "-rl", "canary-token", str(self.kilnd.root / "git"), str(built.path("/src"))],
                               capture_output=True).stdout
        self.assertEqual(found, b"")

    def test_a_closed_repository_is_refused_with_what_to_do(self):
        self.repository().commit({"a": "one"})
        self.assertIn("GIT_AUTH_TOKEN", self.add_refused(f"{self.web(authorization='x').url}/app.git"))

    def test_a_missing_ref_is_named(self):
        self.repository().commit({"a": "one"})
        error = self.add_refused(f"{self.web().url}/app.git#nowhere")
        self.assertIn('does not contain the ref "nowhere"', error)
        self.assertIn("Dockerfile:2", error)

    def test_a_server_that_is_not_there_is_named(self):
        port = kilntest.free_port()
        self.assertIn(f"http://127.0.0.1:{port}/x.git", self.add_refused(f"http://127.0.0.1:{port}/x.git"))

    def test_what_git_would_take_for_an_option_is_refused(self):
        for source in ("http://127.0.0.1:1/x.git#--upload-pack=touch", "ssh://-oProxyCommand=touch/x.git"):
            self.assertIn("Dockerfile:2", self.add_refused(source))

    def test_a_copy_of_a_repository_is_refused(self):
        result = self.refused("FROM scratch\nCOPY git@example.com:a/b.git /\n")
        self.assertIn("source can't be a git ref for COPY", result.err)

    def test_copies_of_repositories_are_counted_and_pruned(self):
        self.repository().commit({"a": "one"})
        self.added(f"{self.web().url}/app.git")
        self.assertIn("git repositories", self.kilnd.kiln("df").out)
        self.assertTrue(os.listdir(self.kilnd.root / "git"))
        self.kilnd.kiln("prune", "--force")
        self.assertEqual(os.listdir(self.kilnd.root / "git"), [])


if __name__ == "__main__":
    kilntest.main()
