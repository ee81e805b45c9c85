#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/publication.h"
#include "core/room.h"
#include "core/room_interest.h"
#include "core/string_map.h"
#include "core/subscriber.h"

namespace notifications {

// One room (or room pattern) of a hub and who watches it.
struct HubRoom {
  struct Entry {
    Subscriber* subscriber;
    std::uint32_t membership;  // index in the subscriber's own list
  };
  RoomPattern pattern;
  std::vector<Entry> entries;
};

// Hub maps rooms to the subscribers of one shard.
//
// Joining, leaving and each delivery cost no search: a room and its subscribers know each other's
// place in their lists.
//
// Thread: shard. Nothing here locks but the interest, when a room comes or goes.
// Owns no subscriber: each must leave before it dies.
class Hub {
 public:
  // `interest` outlives the hub; it is told when the hub's first subscriber of a room comes and
  // its last one goes.
  Hub(ShardId shard, RoomInterest& interest);
  ~Hub();
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  // Joins an exact room, or whatever a pattern names. What is published after this returned is
  // delivered. False if the subscriber was in it already.
  // Requires: a valid room.
  bool join(Subscriber& subscriber, std::string_view room);
  bool join(Subscriber& subscriber, const RoomPattern& pattern);

  // False if the subscriber was not in it.
  bool leave(Subscriber& subscriber, std::string_view room);
  void leave_all(Subscriber& subscriber);

  bool is_member(const Subscriber& subscriber, std::string_view room) const;

  // How many rooms and patterns the subscriber is in.
  std::size_t rooms_of(const Subscriber& subscriber) const;

  // Hands the publication to every subscriber of its rooms; returns how many deliveries that were.
  std::size_t deliver(const PublicationPtr& publication) { return deliver_run({&publication, 1}); }

  // How many publications from the first on can be handed out together: those that go to the same
  // rooms, at least one. Requires: not empty.
  std::size_t run_length(std::span<const PublicationPtr> publications) const;

  // Hands a run to one subscriber of its rooms after the other: each gets the same publications in
  // the same order as by deliver(), but is met once. Returns how many deliveries of each
  // publication that were. Requires: run_length() says that it is one.
  std::size_t deliver_run(std::span<const PublicationPtr> run);

  // Rooms and patterns with subscribers, and the sum of their subscribers.
  std::size_t rooms() const { return rooms_.size() + pattern_rooms_; }
  std::size_t subscriptions() const { return subscriptions_; }

 private:
  HubRoom* find(const RoomPattern& pattern) const;
  HubRoom* find(std::string_view room) const;
  bool add(Subscriber& subscriber, HubRoom& room);
  void remove(Subscriber& subscriber, std::uint32_t membership);
  void drop_if_empty(HubRoom& room);
  std::size_t deliver_to(const HubRoom* room, std::span<const PublicationPtr> run);
  std::unique_ptr<HubRoom>& pattern_slot(const RoomPattern& pattern);

  // Constant after construction.
  const ShardId shard_;
  RoomInterest& interest_;

  // This shard only.
  // Values are pointers so that memberships survive a rehash.
  StringMap<std::unique_ptr<HubRoom>> rooms_;
  std::array<std::unique_ptr<HubRoom>, kRoomKinds> kinds_;
  std::unique_ptr<HubRoom> all_;
  std::size_t pattern_rooms_ = 0;
  std::size_t subscriptions_ = 0;
  std::size_t per_room_ = 0;  // of these, by subscribers that take each entry of the rooms apart
  // Numbers of the last run handed out, and of the last entry of its rooms; from one sequence, so
  // that no number means both.
  std::uint64_t run_number_ = 0;
  std::uint64_t entry_number_ = 0;
};

}  // namespace notifications
