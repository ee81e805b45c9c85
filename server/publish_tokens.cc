#include "server/publish_tokens.h"

#include "core/runtime/bearer_token.h"

namespace notifications::server {

grpc::Status PublishTokens::check(const grpc::ServerContextBase& context) const {
  if (tokens_.empty()) return grpc::Status::OK;
  const auto [first, last] = context.client_metadata().equal_range("authorization");
  if (first == last) {
    return {grpc::StatusCode::UNAUTHENTICATED, "a bearer token is needed"};
  }
  const std::string_view value(first->second.data(), first->second.size());
  if (std::next(first) != last || !admits(value)) {
    return {grpc::StatusCode::UNAUTHENTICATED, "not a bearer token that is known here"};
  }
  return grpc::Status::OK;
}

bool PublishTokens::admits(std::string_view authorization) const {
  if (tokens_.empty()) return true;
  const std::string_view given = bearer_token_of(authorization);
  bool admitted = false;
  for (const std::string& token : tokens_) admitted |= equals_secret(token, given);
  return admitted;
}

}  // namespace notifications::server
