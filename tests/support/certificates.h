#pragma once

#include <memory>
#include <string>

namespace notifications::test {

// A certificate and its key, both PEM.
struct Certificate {
  std::string certificate;
  std::string key;
};

// CertificateAuthority signs certificates for 127.0.0.1 and localhost that hold for an hour.
//
// Thread: one.
class CertificateAuthority {
 public:
  CertificateAuthority();
  ~CertificateAuthority();

  const std::string& certificate() const { return pem_; }
  // For a server or a client alike, with a new key; no two have the same serial number.
  Certificate issue(const std::string& common_name);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
  std::string pem_;
};

}  // namespace notifications::test
