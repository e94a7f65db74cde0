#include "builder/layer/block_hash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "proto/error.h"

namespace kiln::layer {

namespace {

EVP_MAC_CTX* cast(void* context) {
  return static_cast<EVP_MAC_CTX*>(context);
}

struct FreeMac {
  void operator()(EVP_MAC* mac) const noexcept { EVP_MAC_free(mac); }
};

// Always the same: hashes are compared, and as they stay secret, that tells nothing of the key.
std::array<std::uint8_t, 12> nonce() {
  return {};
}

}  // namespace

BlockKey make_block_key() {
  BlockKey key;
  check(RAND_bytes(key.data(), key.size()) == 1, "the system gives random bytes");
  return key;
}

void BlockHasher::Free::operator()(void* context) const noexcept {
  EVP_MAC_CTX_free(cast(context));
}

BlockHasher::BlockHasher(const BlockKey& key) {
  const std::unique_ptr<EVP_MAC, FreeMac> mac(EVP_MAC_fetch(nullptr, "GMAC", nullptr));
  check(mac != nullptr, "OpenSSL has GMAC");
  context_.reset(EVP_MAC_CTX_new(mac.get()));
  std::array<char, 12> cipher{"AES-128-GCM"};
  const std::array<OSSL_PARAM, 2> params{
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cipher.data(), 0),
      OSSL_PARAM_construct_end()};
  check(context_ && EVP_MAC_init(cast(context_.get()), key.data(), key.size(), params.data()) == 1,
        "GMAC takes its key");
}

BlockHash BlockHasher::operator()(Bytes block) {
  auto iv = nonce();
  const std::array<OSSL_PARAM, 2> params{
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_IV, iv.data(), iv.size()),
      OSSL_PARAM_construct_end()};
  BlockHash hash{};
  std::size_t size = 0;
  EVP_MAC_CTX* context = cast(context_.get());
  check(EVP_MAC_init(context, nullptr, 0, params.data()) == 1 &&
            EVP_MAC_update(context, reinterpret_cast<const unsigned char*>(block.data()),
                           block.size()) == 1 &&
            EVP_MAC_final(context, hash.data(), &size, hash.size()) == 1 && size == hash.size(),
        "GMAC hashes a block");
  return hash;
}

}  // namespace kiln::layer
