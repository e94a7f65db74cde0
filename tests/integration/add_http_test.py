"""ADD of http(s) URLs: what the file is, when it is asked for again, and what servers may do."""
import hashlib
import io
import tarfile
import threading

import kilntest
from web import Page, Web, certificate_for

DATE = 1700000000
TEXT = b"hello from afar\n"


class WebCase(kilntest.SharedDaemonTest):
    def web(self, pages=None, **options):
        server = Web(pages or {}, **options)
        self.addCleanup(server.stop)
        return server

    def added(self, instruction, *flags, **options):
        return self.built(f"FROM scratch\n{instruction}\n", None, *flags, **options)


class FileTest(WebCase):
    def test_the_file_is_for_root_only_and_has_the_date_of_the_server(self):
        web = self.web({"/a/file.txt": Page(TEXT, modified=DATE)})
        built = self.added(f"ADD {web.url}/a/file.txt /dir/")
        entry = self.layer(built.reference)["dir/file.txt"]
        self.assertEqual((built.path("/dir/file.txt").read_bytes(), oct(entry.mode), entry.uid, entry.gid, entry.mtime),
                         (TEXT, "0o600", 0, 0, DATE))

    def test_without_a_date_the_file_is_of_1970(self):
        web = self.web({"/file": Page(TEXT)})
        built = self.added(f"ADD {web.url}/file /")
        self.assertEqual(self.layer(built.reference)["file"].mtime, 0)

    def test_a_destination_without_a_slash_is_the_new_name(self):
        web = self.web({"/file": Page(TEXT)})
        built = self.added(f"ADD {web.url}/file /renamed")
        self.assertEqual(built.names("/"), ["renamed"])

    def test_names_are_decoded_and_a_query_is_none_of_them(self):
        web = self.web({"/a%20b%5B1%5D.txt?token=x": Page(TEXT)})
        built = self.added(f'ADD ["{web.url}/a%20b%5B1%5D.txt?token=x#part", "/d/"]')
        self.assertEqual(built.names("/d"), ["a b[1].txt"])

    def test_a_url_without_a_name_has_one(self):
        web = self.web({"/": Page(TEXT)})
        built = self.added(f"ADD {web.url}/ /d/")
        self.assertEqual(built.names("/d"), ["__unnamed__"])

    def test_owner_mode_variables_and_several_sources_in_one_instruction(self):
        web = self.web({"/one": Page("1"), "/two": Page("2")})
        built = self.built(f"FROM scratch\nARG AT={web.url}\nADD --chown=7:8 --chmod=0640 $AT/one local ${{AT}}/two /d/\n",
                           {"local": "3"})
        self.assertEqual({name: (built.mode(f"/d/{name}"), built.owner(f"/d/{name}"), built.text(f"/d/{name}"))
                          for name in built.names("/d")},
                         {"one": ("0640", "7:8", "1"), "two": ("0640", "7:8", "2"), "local": ("0640", "7:8", "3")})

    def test_the_history_and_the_step_are_named_by_the_url(self):
        web = self.web({"/file": Page(TEXT)})
        built = self.added(f"ADD --chmod=600 {web.url}/file /d/")
        self.assertEqual(self.raw_config(built.reference)["history"][-1]["created_by"],
                         f"ADD --chmod=600 {web.url}/file /d/ # buildkit")
        self.assertIn(f"[1/1] ADD --chmod=600 {web.url}/file /d/", kilntest.steps(built.result))

    def test_archives_stay_archives_unless_unpack_says_otherwise(self):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            member = tarfile.TarInfo("inside")
            member.size = 2
            archive.addfile(member, io.BytesIO(b"in"))
        web = self.web({"/a.tar.gz": Page(buffer.getvalue())})
        built = self.added(f"ADD {web.url}/a.tar.gz /kept/\nADD --unpack=true {web.url}/a.tar.gz /unpacked/")
        self.assertEqual((built.path("/kept/a.tar.gz").read_bytes(), built.text("/unpacked/inside")),
                         (buffer.getvalue(), "in"))

    def test_a_body_that_was_compressed_for_the_way_is_inflated(self):
        web = self.web({"/file": Page(TEXT * 1000, compressed=True)})
        built = self.added(f"ADD {web.url}/file /")
        self.assertEqual(built.path("/file").read_bytes(), TEXT * 1000)

    def test_a_link_lays_the_file_over_the_stage(self):
        web = self.web({"/one": Page("1")})
        built = self.built(f"FROM scratch\nCOPY local /d/\nADD --link {web.url}/one /d/\n", {"local": "2"})
        self.assertEqual(built.names("/d"), ["local", "one"])

    def test_a_large_file_arrives_whole(self):
        body = hashlib.sha512(b"x").digest() * (20 * 1024 * 1024 // 64)
        web = self.web({"/large": Page(body)})
        built = self.added(f"ADD {web.url}/large /")
        self.assertEqual(kilntest.sha256_of(built.path("/large")), hashlib.sha256(body).hexdigest())


class AgainTest(WebCase):
    def twice(self, web, instruction, between=lambda: None):
        self.added(instruction)
        between()
        second = self.added(instruction)
        return web.sent("/file"), kilntest.ran(second.result)

    def test_an_unchanged_entity_is_not_sent_again(self):
        web = self.web({"/file": Page(TEXT, etag='"one"')})
        sent, ran = self.twice(web, f"ADD {web.url}/file /")
        self.assertEqual((sent, ran), ([len(TEXT), 0], []))

    def test_a_weak_entity_serves_as_well(self):
        web = self.web({"/file": Page(TEXT, etag='W/"one"')})
        self.assertEqual(self.twice(web, f"ADD {web.url}/file /"), ([len(TEXT), 0], []))

    def test_an_old_date_serves_where_there_is_no_entity(self):
        web = self.web({"/file": Page(TEXT, modified=DATE)})
        self.assertEqual(self.twice(web, f"ADD {web.url}/file /"), ([len(TEXT), 0], []))

    def test_a_server_without_either_is_asked_for_everything_and_the_step_is_cached(self):
        web = self.web({"/file": Page(TEXT)})
        self.assertEqual(self.twice(web, f"ADD {web.url}/file /"), ([len(TEXT)] * 2, []))

    def test_a_server_that_ignores_the_question_is_understood_by_its_entity(self):
        web = self.web({"/file": Page(TEXT, etag='"one"', ignores_conditions=True)})
        self.assertEqual(self.twice(web, f"ADD {web.url}/file /")[1], [])

    def test_changed_content_is_added_anew(self):
        web = self.web({"/file": Page(TEXT, etag='"one"')})

        def change():
            web.pages["/file"] = Page(b"new\n", etag='"two"')
        self.assertEqual(len(self.twice(web, f"ADD {web.url}/file /", change)[1]), 1)

    def test_a_file_that_prune_took_is_fetched_again(self):
        web = self.web({"/file": Page(TEXT, etag='"one"')})
        sent, _ = self.twice(web, f"ADD {web.url}/file /", lambda: self.kilnd.kiln("prune", "--all", "--force"))
        self.assertEqual(sent, [len(TEXT)] * 2)


class ChecksumTest(WebCase):
    def test_each_algorithm_is_known(self):
        web = self.web({"/file": Page(TEXT)})
        for name in ("sha256", "sha384", "sha512"):
            built = self.added(f"ADD --checksum={name}:{hashlib.new(name, TEXT).hexdigest()} {web.url}/file /{name}")
            self.assertEqual(built.path(f"/{name}").read_bytes(), TEXT)

    def test_another_content_is_refused_with_both_digests(self):
        web = self.web({"/file": Page(TEXT)})
        wanted = hashlib.sha256(b"else").hexdigest()
        result = self.refused(f"FROM scratch\nADD --checksum=sha256:{wanted} {web.url}/file /\n")
        self.assertIn(wanted, result.err)
        self.assertIn(hashlib.sha256(TEXT).hexdigest(), result.err)
        self.assertIn("Dockerfile:2", result.err)

    def test_what_is_known_is_asked_nobody_about(self):
        web = self.web({"/file": Page(TEXT)})
        digest = hashlib.sha256(TEXT).hexdigest()
        instruction = f"ADD --checksum=sha256:{digest} {web.url}/file /"
        self.added(instruction)
        asked = len(web.asked)
        self.added(instruction)
        self.added(instruction + "other/", "--no-cache")
        self.assertEqual(len(web.asked), asked)

    def test_flags_that_make_no_sense_are_refused(self):
        for instruction, words in {
                "ADD --checksum=sha256:{0} a b /d/": "checksum can't be specified for multiple sources",
                "ADD --checksum=sha256:{0} a /": "checksum requires HTTP(S) or Git sources",
                "ADD --checksum=sha256:12 http://127.0.0.1:1/a /": "invalid checksum digest length",
                "ADD --checksum=md5:{0} http://127.0.0.1:1/a /": "unsupported digest algorithm",
                "COPY http://127.0.0.1:1/a /": "source can't be a URL for COPY"}.items():
            result = self.refused("FROM scratch\n" + instruction.format("0" * 64) + "\n")
            self.assertIn(words, result.err)
            self.assertIn("Dockerfile:2", result.err)


class ServerTest(WebCase):
    def test_redirects_are_followed_and_the_name_is_that_of_the_instruction(self):
        far = self.web({"/real": Page(TEXT)})
        near = self.web({"/short": Page(status=302, headers={"Location": f"{far.url}/real"})})
        built = self.added(f"ADD {near.url}/short /d/")
        self.assertEqual(built.names("/d"), ["short"])

    def test_a_circle_of_redirects_ends(self):
        web = self.web()
        web.pages["/circle"] = Page(status=302, headers={"Location": f"{web.url}/circle"})
        self.assertIn("too many redirects", self.refused(f"FROM scratch\nADD {web.url}/circle /\n").err)
        self.assertLess(len(web.asked), 20)

    def test_a_missing_file_is_named_with_its_status_and_line(self):
        web = self.web()
        result = self.refused(f"FROM scratch\nADD {web.url}/missing?secret=word /\n")
        self.assertIn(f"GET {web.url}/missing: 404 Not Found", result.err)
        self.assertIn("Dockerfile:2", result.err)

    def test_a_body_that_is_cut_off_is_asked_for_again(self):
        web = self.web({"/file": Page(TEXT, cut_after=3)})

        def mend():
            if len(web.asked) >= 1:
                web.pages["/file"] = Page(TEXT)
        web.pages["/file"].wait = mend
        self.assertEqual(self.added(f"ADD {web.url}/file /").path("/file").read_bytes(), TEXT)

    def test_a_password_in_the_url_is_sent_and_not_shown(self):
        web = self.web({"/file": Page(TEXT, authorization="Basic bWU6c2VjcmV0LXdvcmQ=")})
        built = self.added(f"ADD http://me:secret-word@{web.host}/file /")
        self.assertEqual(built.path("/file").read_bytes(), TEXT)
        self.assertNotIn("secret-word", self.kilnd.log_text())

    def test_a_password_stays_with_its_host(self):
        far = self.web({"/real": Page(TEXT)})
        near = self.web({"/file": Page(status=302, headers={"Location": f"{far.url}/real"})})
        self.added(f"ADD http://me:secret-word@{near.host}/file /")
        self.assertIn("Authorization", near.headers_of("/file")[0])
        self.assertNotIn("Authorization", far.headers_of("/real")[0])

    def test_secrets_of_the_client_are_sent_to_their_host_and_not_shown(self):
        web = self.web({"/token": Page(TEXT, authorization="Bearer canary-token"),
                        "/header": Page(TEXT, authorization="Custom canary-header")})
        environment = {"CANARY": "canary-token", "HEADER": "Custom canary-header"}
        built = self.added(f"ADD {web.url}/token /", "--secret", "id=HTTP_AUTH_TOKEN_127.0.0.1,env=CANARY", env=environment)
        self.assertEqual(built.path("/token").read_bytes(), TEXT)
        built = self.added(f"ADD {web.url}/header /", "--secret", "id=HTTP_AUTH_HEADER_127.0.0.1,env=HEADER", env=environment)
        self.assertEqual(built.path("/header").read_bytes(), TEXT)
        self.assertNotIn("canary", self.kilnd.log_text())

    def test_what_one_client_may_have_is_not_given_to_another(self):
        web = self.web({"/file": Page(TEXT, authorization="Bearer canary-token", etag='"1"')})
        flags = ("--secret", "id=HTTP_AUTH_TOKEN_127.0.0.1,env=CANARY")
        self.added(f"ADD {web.url}/file /", *flags, env={"CANARY": "canary-token"})
        refused = self.refused(f"FROM scratch\nADD {web.url}/file /\n", None, *flags, env={"CANARY": "wrong"})
        self.assertIn("401", refused.err)

    def test_a_server_that_wants_credentials_is_answered_with_what_to_do(self):
        web = self.web({"/file": Page(TEXT, authorization="Bearer x")})
        self.assertIn("HTTP_AUTH_TOKEN_127.0.0.1", self.refused(f"FROM scratch\nADD {web.url}/file /\n").err)

    def test_a_cancelled_build_lets_go_of_a_slow_server(self):
        arrived, go = threading.Event(), threading.Event()
        self.addCleanup(go.set)

        def hang():
            arrived.set()
            go.wait(60)
        web = self.web({"/file": Page(TEXT, wait=hang)})
        client = self.kilnd.start_kiln("build", self.context({"Dockerfile": f"FROM scratch\nADD {web.url}/file /\n"}))
        self.assertTrue(arrived.wait(30))
        client.terminate()
        client.communicate(timeout=30)
        self.assertNotEqual(client.returncode, 0)


class TlsTest(WebCase):
    def test_an_unknown_certificate_is_refused_even_on_loopback(self):
        web = self.web({"/file": Page(TEXT)}, certificate=certificate_for(self.directory))
        self.assertIn("certificate", self.refused(f"FROM scratch\nADD {web.url}/file /\n").err)

    def test_a_configured_authority_is_trusted(self):
        certificate = certificate_for(self.directory)
        web = self.web({"/file": Page(TEXT)}, certificate=certificate)
        daemon = self.daemon(config=f'[registry."{web.host}"]\nca = ["{certificate[0]}"]\n')
        out = self.directory / "out"
        self.build(daemon, self.context({"Dockerfile": f"FROM scratch\nADD {web.url}/file /\n"}), "-o", out)
        self.assertEqual((out / "file").read_bytes(), TEXT)


if __name__ == "__main__":
    kilntest.main()
