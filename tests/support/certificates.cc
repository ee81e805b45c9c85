#include "tests/support/certificates.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace notifications::test {
namespace {

template <class T, void (*kFree)(T*)>
struct Freer {
  void operator()(T* object) const { kFree(object); }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Freer<X509, X509_free>>;
using Bio = std::unique_ptr<BIO, Freer<BIO, BIO_free_all>>;

void check(bool good) {
  if (!good) throw std::runtime_error("OpenSSL cannot make a certificate");
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string pem(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  check(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return text_of(bio.get());
}

std::string pem(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  check(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return text_of(bio.get());
}

void extend(X509* certificate, X509* issuer, int extension, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, &context, extension, value);
  check(made != nullptr && X509_add_ext(certificate, made, -1) == 1);
  X509_EXTENSION_free(made);
}

Cert make(EVP_PKEY* key, const std::string& common_name, long serial, X509* issuer) {
  Cert made(X509_new());
  check(made != nullptr && X509_set_version(made.get(), 2) == 1);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  check(X509_set_pubkey(made.get(), key) == 1);
  X509_NAME* name = X509_get_subject_name(made.get());
  check(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>(common_name.c_str()), -1,
                                   -1, 0) == 1);
  X509* signer = issuer == nullptr ? made.get() : issuer;
  check(X509_set_issuer_name(made.get(), X509_get_subject_name(signer)) == 1);
  extend(made.get(), signer, NID_basic_constraints,
         issuer == nullptr ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (issuer != nullptr) {
    extend(made.get(), signer, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
  }
  return made;
}

}  // namespace

struct CertificateAuthority::Parts {
  Key key;
  Cert certificate;
  long next_serial = 2;
};

CertificateAuthority::CertificateAuthority() : parts_(std::make_unique<Parts>()) {
  parts_->key.reset(EVP_EC_gen("P-256"));
  check(parts_->key != nullptr);
  parts_->certificate = make(parts_->key.get(), "test authority", 1, nullptr);
  check(X509_sign(parts_->certificate.get(), parts_->key.get(), EVP_sha256()) != 0);
  pem_ = pem(parts_->certificate.get());
}

CertificateAuthority::~CertificateAuthority() = default;

Certificate CertificateAuthority::issue(const std::string& common_name) {
  const Key key(EVP_EC_gen("P-256"));
  check(key != nullptr);
  const Cert made = make(key.get(), common_name, parts_->next_serial++, parts_->certificate.get());
  check(X509_sign(made.get(), parts_->key.get(), EVP_sha256()) != 0);
  return {pem(made.get()), pem(key.get())};
}

}  // namespace notifications::test
