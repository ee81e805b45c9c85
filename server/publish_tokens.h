#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace notifications::server {

// PublishTokens says who may publish: whoever presents one of the configured bearer tokens, or
// everybody if there are none.
//
// Several, so that a token can be changed without a moment in which the old one no longer and the
// new one not yet holds.
// Thread: any (constant).
class PublishTokens {
 public:
  PublishTokens() = default;
  explicit PublishTokens(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {}

  // OK, or UNAUTHENTICATED; by the call's `authorization` metadata, of which there must be one.
  grpc::Status check(const grpc::ServerContextBase& context) const;

  // Whether the value of an `authorization` header holds a token. All are compared, each in a time
  // that does not depend on what is right.
  bool admits(std::string_view authorization) const;

 private:
  const std::vector<std::string> tokens_ = {};  // clang wants the initializer
};

}  // namespace notifications::server
