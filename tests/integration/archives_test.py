"""Archives of images, as Kiln writes them and as other tools do."""
import hashlib
import io
import json
import subprocess
import tarfile

import kilntest


class ArchivesTest(kilntest.SharedDaemonTest):
    def kiln(self, *arguments, code=0, **options):
        result = self.kilnd.kiln(*arguments, **options)
        self.assertEqual(result.code, code, result.text + "\n" + self.kilnd.log_text())
        return result

    def made(self, name="archived:1"):
        context = self.context({"Dockerfile": "FROM busybox\nENV A=1\nRUN echo x > /x && mkfifo /p\nCOPY f /f\n", "f": "F"})
        return self.build(self.kilnd, context, "-q", "-t", name).out.strip()

    def copy(self, source, name):
        target = f"{self.registry.host}/{name}"
        subprocess.run(["skopeo", "copy", "--quiet", "--dest-tls-verify=false", source, f"docker://{target}"],
                       check=True, capture_output=True)
        return target

    def check_files(self, reference):
        rootfs, config = self.unpack(reference, reference.rsplit("/", 1)[1].replace(":", "-"))
        self.assertEqual(((rootfs / "x").read_text(), (rootfs / "f").read_text()), ("x\n", "F"))
        self.assertTrue((rootfs / "p").is_fifo())
        self.assertIn("A=1", config["config"]["Env"])

    def test_skopeo_reads_an_oci_archive_of_save(self):
        digest = self.made()
        archive = self.directory / "saved.tar"
        self.kiln("save", "-o", archive, "archived:1")
        self.assertEqual(oct(archive.stat().st_mode & 0o777), "0o644")
        target = self.copy(f"oci-archive:{archive}", "from-save:oci")
        self.check_files(target)
        manifest = subprocess.run(["skopeo", "inspect", "--raw", f"oci-archive:{archive}"], check=True,
                                  capture_output=True).stdout
        self.assertEqual("sha256:" + hashlib.sha256(manifest).hexdigest(), digest)

    def test_skopeo_reads_a_docker_archive_of_save(self):
        self.made()
        archive = self.directory / "saved.tar"
        self.kiln("save", "--format", "docker", "-o", archive, "archived:1")
        self.check_files(self.copy(f"docker-archive:{archive}:docker.io/library/archived:1", "from-save:docker"))
        with tarfile.open(archive) as opened:
            listed = json.load(opened.extractfile("manifest.json"))
        self.assertEqual(listed[0]["RepoTags"], ["archived:1"])

    def test_save_writes_to_stdout_and_the_same_bytes_each_time(self):
        self.made()
        archives = [subprocess.run([str(kilntest.BIN / "kiln"), "save", "archived:1"], env=self.kilnd.environment(), check=True,
                                   capture_output=True).stdout for _ in range(2)]
        self.assertEqual(archives[0], archives[1])
        with tarfile.open(fileobj=io.BytesIO(archives[0])) as opened:
            self.assertIn("index.json", opened.getnames())

    def test_several_images_fit_in_one_archive(self):
        self.made("archived:1")
        self.kiln("tag", "archived:1", "archived:2")
        context = self.context({"Dockerfile": "FROM busybox\nRUN echo other > /o\n"}, name="other")
        self.build(self.kilnd, context, "-t", "other:1")
        for format_name in ("oci", "docker"):
            archive = self.directory / f"{format_name}.tar"
            self.kiln("save", "--format", format_name, "-o", archive, "archived:1", "archived:2", "other:1")
            for name in ("archived:1", "archived:2", "other:1"):
                self.kiln("rmi", name)
            loaded = self.kiln("load", "-i", archive).out
            for name in ("archived:1", "archived:2", "other:1"):
                self.assertIn(name, loaded)
                self.kiln("inspect", name)

    def test_save_of_what_is_not_there_leaves_no_file(self):
        archive = self.directory / "none.tar"
        failed = self.kiln("save", "-o", archive, "no-such-image", code=1)
        self.assertIn("no-such-image", failed.err)
        self.assertEqual(list(self.directory.glob("none.tar*")), [])

    def test_archives_of_skopeo_are_loaded_and_pushed(self):
        source = f"docker://{self.mirror.host}/library/busybox:latest"
        for kind, number in (("oci-archive", 1), ("docker-archive", 2)):
            archive = self.directory / f"{kind}.tar"
            subprocess.run(["skopeo", "copy", "--quiet", "--src-tls-verify=false", source,
                            f"{kind}:{archive}:skopeo.example/busybox:{number}"], check=True, capture_output=True)
            loaded = self.kiln("load", "-i", archive)
            self.assertIn(f"skopeo.example/busybox:{number}", loaded.out)
            name = f"{self.registry.host}/loaded:{number}"
            self.kiln("tag", f"skopeo.example/busybox:{number}", name)
            self.kiln("push", name)
            rootfs, _ = self.unpack(name, f"loaded-{number}")
            self.assertTrue((rootfs / "bin/busybox").exists())
            onto = self.context({"Dockerfile": f"FROM skopeo.example/busybox:{number}\nRUN echo on > /on\n"}, name=kind)
            self.build(self.kilnd, onto)

    def test_load_and_push_keep_every_digest(self):
        digest = self.made("round:1")
        archive = self.directory / "round.tar"
        self.kiln("save", "-o", archive, "round:1")
        other = kilntest.Daemon(self.directory / "other", registries=[self.registry.host], mirror=self.mirror.host)
        self.addCleanup(other.stop)
        self.assertEqual(other.kiln("load", "-i", archive).code, 0)
        name = f"{self.registry.host}/round:1"
        self.assertEqual(other.kiln("tag", "round:1", name).code, 0)
        pushed = other.kiln("push", name)
        self.assertEqual(pushed.code, 0, pushed.text)
        remote = subprocess.run(["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{name}"],
                                check=True, capture_output=True, text=True).stdout.strip()
        self.assertEqual(remote, digest)
        self.check_files(name)

    def test_load_reads_stdin_and_compressed_archives(self):
        self.made("piped:1")
        archive = subprocess.run([str(kilntest.BIN / "kiln"), "save", "--format", "docker", "piped:1"],
                                 env=self.kilnd.environment(), check=True, capture_output=True).stdout
        self.kiln("rmi", "piped:1")
        self.assertIn("piped:1", self.kiln("load", stdin=archive).out)
        for program in ("gzip", "zstd"):
            self.kiln("rmi", "piped:1")
            packed = subprocess.run([program, "-c"], input=archive, check=True, capture_output=True).stdout
            self.assertIn("piped:1", self.kiln("load", stdin=packed).out)

    def test_what_is_no_archive_is_refused_and_leaves_nothing(self):
        before = kilntest.blob_files(self.kilnd.root)
        for bad in (b"", b"not a tar at all" * 1000, b"\0" * 10240):
            failed = self.kiln("load", stdin=bad, code=1)
            self.assertIn("rchive", failed.err)
        self.assertEqual(kilntest.blob_files(self.kilnd.root), before)

    def test_a_build_writes_archives_by_output(self):
        context = self.context({"Dockerfile": "FROM busybox\nENV A=1\nRUN echo x > /x && mkfifo /p\nCOPY f /f\n", "f": "F"})
        oci, docker = self.directory / "o.tar", self.directory / "d.tar"
        self.build(self.kilnd, context, "-t", "output:1", "-o", f"type=oci,dest={oci}", "-o", f"type=docker,dest={docker}")
        self.check_files(self.copy(f"oci-archive:{oci}", "output:oci"))
        self.check_files(self.copy(f"docker-archive:{docker}", "output:docker"))
        self.kiln("inspect", "output:1")

    def test_a_failed_build_leaves_the_old_archive(self):
        context = self.context({"Dockerfile": "FROM busybox\nRUN exit 1\n"})
        archive = self.directory / "kept.tar"
        archive.write_text("what was there")
        self.build(self.kilnd, context, "-o", f"type=oci,dest={archive}", code=1)
        self.assertEqual(archive.read_text(), "what was there")
        self.assertEqual([path.name for path in self.directory.glob("kept*")], ["kept.tar"])


if __name__ == "__main__":
    kilntest.main()
