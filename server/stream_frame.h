#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/publication.h"

namespace notifications::server {

// The largest message that this service takes or sends. See: CONTRACT section 5.
inline constexpr std::size_t kMaxMessageBytes = 9 * 1024 * 1024;

// The bytes of the StreamResponse that carries a publication; encoders for Publication::frame.
// Thread: any.

// WireFormat::kGrpcJson: with payload_json, the exact text.
std::string encode_json_response(const Publication& publication);

// WireFormat::kGrpcValue: with payload_value if that carries the payload exactly in a message that
// a stock client decodes, else with payload_json.
std::string encode_value_response(const Publication& publication);

// The bytes of the first response of a stream.
std::string encode_opened_response(std::string_view position);

// The bytes of a response that tells a gap. `after` is a client's text: any bytes.
std::string encode_gap_response(std::string_view after, std::string_view resumes_at);

// The bytes of a response that moves the cursor of a stream without an event.
std::string encode_checkpoint_response(std::string_view position);

}  // namespace notifications::server
