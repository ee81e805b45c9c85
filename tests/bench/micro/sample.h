#pragma once

#include <string>
#include <utility>

#include "core/publication.h"

namespace notifications::bench {

// A lifelike envelope whose payload's text has about `size` bytes.
inline std::string sample_text(std::size_t size, const std::string& room = "graph") {
  std::string payload = R"({"nodeId":"42","state":{"phase":"running","note":")";
  if (size > payload.size() + 60) payload.append(size - payload.size() - 60, 'x');
  payload += R"("},"updatedAt":"2026-02-19T12:00:00.000Z"})";
  return R"({"id":"6f0c28a4-93c1-4be4-8d6e-0123456789ab","ts":"2026-02-19T12:00:00.000Z",)"
         R"("source":"platform-server","rooms":[")" +
         room + R"("],"event":"node_state","payload":)" + payload + "}";
}

inline PublicationPtr sample_publication(std::vector<std::string> rooms, std::size_t size = 256) {
  Envelope envelope;
  envelope.id = "6f0c28a4-93c1-4be4-8d6e-0123456789ab";
  envelope.ts = "2026-02-19T12:00:00.000Z";
  envelope.source = "platform-server";
  envelope.rooms = std::move(rooms);
  envelope.event = "node_state";
  envelope.payload = "\"" + std::string(size - 2, 'x') + "\"";
  return std::make_shared<const Publication>(std::move(envelope), "", "",
                                             std::chrono::steady_clock::time_point());
}

}  // namespace notifications::bench
