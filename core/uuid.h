#pragma once

#include <string>

namespace notifications {

// A random UUID, version 4 (RFC 9562), in lower case; from the kernel's random source.
// Thread: any.
std::string new_uuid();

// `bytes` random bytes as unpadded base64url text: unguessable session ids.
// Thread: any.
std::string new_random_id(int bytes);

}  // namespace notifications
