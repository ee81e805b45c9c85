#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/publication.h"

namespace notifications {

class Hub;
struct HubRoom;

// How often a publication goes to a subscriber that watches several of its rooms.
enum class Delivery : std::uint8_t {
  kOnce,     // once, whatever number of its rooms match
  kPerRoom,  // once for each entry of the publication's rooms that matches, in their order
};

// Subscriber is anyone who watches rooms: a WebSocket session, an SSE stream, a gRPC stream.
//
// Thread: the shard of the hub it joined.
// The hub holds a plain pointer: a subscriber calls Hub::leave_all before it dies.
class Subscriber {
 public:
  explicit Subscriber(Delivery delivery = Delivery::kOnce) : delivery_(delivery) {}
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;
  virtual ~Subscriber() = default;

  // Takes one publication. Only enqueues: never calls the hub, never destroys the subscriber.
  virtual void deliver(const PublicationPtr& publication) = 0;

  // Takes several, in their order; the same as one after the other, and overridden where it can be
  // had for less. Requires: not empty.
  virtual void deliver_run(std::span<const PublicationPtr> run) {
    for (const PublicationPtr& publication : run) deliver(publication);
  }

 private:
  friend class Hub;
  // Where this subscriber stands in a room's list, so that leaving costs no search.
  struct Membership {
    HubRoom* room;
    std::uint32_t index;
  };

  // The hub's own notes; this shard only. What every delivery reads stands first.
  std::uint64_t last_delivered_ = 0;  // the hub's number of what was delivered last
  const Delivery delivery_;
  std::vector<Membership> memberships_;
};

}  // namespace notifications
