// Archives to and from the tools that people use beside ours.
#include <gmock/gmock.h>

#include "tests/unit/image/fixture.h"

namespace kiln::image::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kLayerA = layer_tar("a", "1");
const std::string kLayerB = layer_tar("b", std::string(100000, 'b'));

class ArchiveTools : public testing::Test {
 protected:
  void SetUp() override {
    root_ = store_test_image(ours_.blobs, {kLayerA, kLayerB});
    config_ = sha256(config_json({kLayerA, kLayerB}));
  }

  std::string file(const std::string& name) { return (scratch_ / name).string(); }

  void write(const std::string& name, ArchiveFormat format) {
    write_text(scratch_ / name, ours_.write({{root_, {Reference::parse("app:1")}}}, format));
  }

  /// The same configuration, and layers with the right content.
  static void expect_same_image(const TestStore& store,
                                const ArchivedImage& image,
                                const Digest& config) {
    const oci::Manifest manifest =
        oci::parse_manifest(store.blobs.read(image.root.digest, 1 << 20));
    EXPECT_EQ(manifest.config.digest, config);
    EXPECT_EQ(manifest.layers.size(), 2U);
    for (const oci::Descriptor& layer : manifest.layers)
      EXPECT_EQ(store.blobs.size(layer.digest), layer.size_bytes);
  }

  Scratch scratch_;
  TestStore ours_;
  oci::Descriptor root_{std::string(oci::kManifest), sha256(""), 0, {}, {}};
  Digest config_ = sha256("");
};

TEST_F(ArchiveTools, SkopeoReadsOurOciArchive) {
  if (!installed("skopeo")) GTEST_SKIP() << "skopeo is not installed";
  write("ours.tar", ArchiveFormat::oci);
  const CommandResult inspect = run("skopeo inspect --raw oci-archive:" + file("ours.tar") + ":1");
  ASSERT_EQ(inspect.status, 0) << inspect.output;
  EXPECT_EQ(sha256(inspect.output), root_.digest);
  const CommandResult copy =
      run("skopeo copy oci-archive:" + file("ours.tar") + ":1 dir:" + file("out"));
  EXPECT_EQ(copy.status, 0) << copy.output;
}

TEST_F(ArchiveTools, SkopeoReadsOurDockerArchive) {
  if (!installed("skopeo")) GTEST_SKIP() << "skopeo is not installed";
  write("ours.tar", ArchiveFormat::docker);
  const CommandResult copy = run("skopeo copy docker-archive:" + file("ours.tar") +
                                 ":app:1 oci-archive:" + file("back.tar") + ":app:1");
  ASSERT_EQ(copy.status, 0) << copy.output;
  const TestStore theirs;
  const auto images = theirs.read_file(scratch_ / "back.tar");
  ASSERT_EQ(images.size(), 1U);
  EXPECT_THAT(images[0].names, ElementsAre(Reference::parse("app:1")));
  expect_same_image(theirs, images[0], config_);
}

TEST_F(ArchiveTools, WeReadSkopeosOciArchive) {
  if (!installed("skopeo")) GTEST_SKIP() << "skopeo is not installed";
  write("ours.tar", ArchiveFormat::oci);
  const CommandResult copy = run("skopeo copy --preserve-digests oci-archive:" + file("ours.tar") +
                                 ":1 oci-archive:" + file("back.tar") + ":latest");
  ASSERT_EQ(copy.status, 0) << copy.output;
  const TestStore theirs;
  const auto images = theirs.read_file(scratch_ / "back.tar");
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(images[0].root, root_);
  EXPECT_THAT(images[0].names, IsEmpty()) << "\"latest\" alone is a tag and no name";
}

TEST_F(ArchiveTools, WeReadSkopeosDockerArchive) {
  if (!installed("skopeo")) GTEST_SKIP() << "skopeo is not installed";
  write("ours.tar", ArchiveFormat::oci);
  const CommandResult copy = run("skopeo copy oci-archive:" + file("ours.tar") +
                                 ":1 docker-archive:" + file("back.tar") + ":app:1");
  ASSERT_EQ(copy.status, 0) << copy.output;
  const TestStore theirs;
  const auto images = theirs.read_file(scratch_ / "back.tar");
  ASSERT_EQ(images.size(), 1U);
  EXPECT_THAT(images[0].names, ElementsAre(Reference::parse("app:1")));
  expect_same_image(theirs, images[0], config_);
}

TEST_F(ArchiveTools, UmociUnpacksOurLayout) {
  if (!installed("umoci")) GTEST_SKIP() << "umoci is not installed";
  write("ours.tar", ArchiveFormat::oci);
  const CommandResult unpack = run("mkdir " + file("layout") + " && tar xf " + file("ours.tar") +
                                   " -C " + file("layout") + " && umoci raw unpack --rootless " +
                                   "--image " + file("layout") + ":1 " + file("rootfs"));
  ASSERT_EQ(unpack.status, 0) << unpack.output;
  EXPECT_EQ(read_text(scratch_ / "rootfs/a"), "1");
  EXPECT_EQ(read_text(scratch_ / "rootfs/b"), std::string(100000, 'b'));
}

TEST_F(ArchiveTools, PodmanLoadsBothFormatsAndWeReadWhatItSaves) {
  if (!installed("podman")) GTEST_SKIP() << "podman is not installed";
  const std::string podman = "podman --root " + file("p") + " --runroot " + file("r") +
                             " --storage-driver vfs --log-level error ";
  if (const CommandResult info = run(podman + "info"); info.status != 0)
    GTEST_SKIP() << "podman does not work here: " << info.output;
  for (const ArchiveFormat format : {ArchiveFormat::oci, ArchiveFormat::docker}) {
    write("ours.tar", format);
    const CommandResult load = run(podman + "load -q -i " + file("ours.tar"));
    ASSERT_EQ(load.status, 0) << load.output;
    if (format == ArchiveFormat::docker) {
      EXPECT_THAT(load.output, HasSubstr("app:1"));
    }
  }
  for (const std::string kind : {"docker-archive", "oci-archive"}) {
    const CommandResult save =
        run(podman + "save -q --format " + kind + " -o " + file(kind) + " app:1");
    ASSERT_EQ(save.status, 0) << save.output;
    const TestStore theirs;
    const auto images = theirs.read_file(scratch_ / kind);
    ASSERT_EQ(images.size(), 1U);
    ASSERT_EQ(images[0].names.size(), 1U);
    EXPECT_EQ(images[0].names[0].tag, "1");
    expect_same_image(theirs, images[0], config_);
  }
}

TEST_F(ArchiveTools, ALayoutPackedByTarIsRead) {
  write("ours.tar", ArchiveFormat::oci);
  const CommandResult pack =
      run("mkdir " + file("layout") + " && tar xf " + file("ours.tar") + " -C " + file("layout") +
          " && tar czf " + file("again.tgz") + " -C " + file("layout") + " .");
  ASSERT_EQ(pack.status, 0) << pack.output;
  const TestStore theirs;
  const auto images = theirs.read_file(scratch_ / "again.tgz");
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(images[0].root, root_);
}

}  // namespace
}  // namespace kiln::image::test
