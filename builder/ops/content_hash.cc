#include "builder/ops/content_hash.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "proto/error.h"

namespace kiln::ops {

namespace {

const EVP_MD* find_algorithm(std::string_view name) {
  if (name == "sha256") return EVP_sha256();
  if (name == "sha384") return EVP_sha384();
  if (name == "sha512") return EVP_sha512();
  throw Error(Errc::invalid_input, "checksum algorithm \"{}\": want sha256, sha384 or sha512",
              name);
}

EVP_MD_CTX* cast(void* context) {
  return static_cast<EVP_MD_CTX*>(context);
}

}  // namespace

void ContentHash::Free::operator()(void* context) const noexcept {
  EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context));
}

ContentHash::ContentHash(std::string_view algorithm)
    : algorithm_(algorithm), context_(EVP_MD_CTX_new()) {
  const EVP_MD* found = find_algorithm(algorithm);
  check(context_ && EVP_DigestInit_ex(cast(context_.get()), found, nullptr) == 1,
        "a digest begins");
}

void ContentHash::update(Bytes bytes) {
  check(EVP_DigestUpdate(cast(context_.get()), bytes.data(), bytes.size()) == 1,
        "a digest goes on");
}

std::string ContentHash::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned size = 0;
  check(EVP_DigestFinal_ex(cast(context_.get()), hash.data(), &size) == 1, "a digest ends");
  std::string text = algorithm_ + ":";
  for (unsigned i = 0; i < size; ++i)
    text += fmt::format("{:02x}", hash.at(i));
  return text;
}

}  // namespace kiln::ops
