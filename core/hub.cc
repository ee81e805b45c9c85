#include "core/hub.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "core/prefetch.h"
#include "core/sparse_table.h"

namespace notifications {
Hub::Hub(ShardId shard, RoomInterest& interest) : shard_(shard), interest_(interest) {}

Hub::~Hub() { assert(subscriptions_ == 0); }

std::unique_ptr<HubRoom>& Hub::pattern_slot(const RoomPattern& pattern) {
  assert(pattern.scope != RoomPattern::Scope::kExact);
  return pattern.scope == RoomPattern::Scope::kAll ? all_
                                                   : kinds_[static_cast<std::size_t>(pattern.kind)];
}

HubRoom* Hub::find(std::string_view room) const {
  const auto found = rooms_.find(room);
  return found == rooms_.end() ? nullptr : found->second.get();
}

bool Hub::join(Subscriber& subscriber, std::string_view room) {
  auto& slot = rooms_[room];
  if (slot == nullptr) {
    slot = std::make_unique<HubRoom>();
    slot->pattern.room = room;
    interest_.add(room, shard_);
  }
  return add(subscriber, *slot);
}

bool Hub::join(Subscriber& subscriber, const RoomPattern& pattern) {
  if (pattern.scope == RoomPattern::Scope::kExact) return join(subscriber, pattern.room);
  auto& slot = pattern_slot(pattern);
  if (slot == nullptr) {
    slot = std::make_unique<HubRoom>();
    slot->pattern = pattern;
    interest_.add(pattern, shard_);
    ++pattern_rooms_;
  }
  return add(subscriber, *slot);
}

bool Hub::add(Subscriber& subscriber, HubRoom& room) {
  auto& memberships = subscriber.memberships_;
  // A subscriber is in few rooms (bounded by its front), a room may have many subscribers: search
  // the short list.
  const auto same = [&](const Subscriber::Membership& m) { return m.room == &room; };
  if (std::any_of(memberships.begin(), memberships.end(), same)) return false;
  memberships.push_back({&room, static_cast<std::uint32_t>(room.entries.size())});
  room.entries.push_back({&subscriber, static_cast<std::uint32_t>(memberships.size() - 1)});
  ++subscriptions_;
  if (subscriber.delivery_ == Delivery::kPerRoom) ++per_room_;
  return true;
}

// Both lists close their gap with their last element, which is told its new place.
void Hub::remove(Subscriber& subscriber, std::uint32_t membership) {
  auto& memberships = subscriber.memberships_;
  const Subscriber::Membership gone = memberships[membership];
  auto& entries = gone.room->entries;

  const HubRoom::Entry moved_entry = entries.back();
  entries[gone.index] = moved_entry;
  moved_entry.subscriber->memberships_[moved_entry.membership].index = gone.index;
  entries.pop_back();

  const Subscriber::Membership moved = memberships.back();
  memberships[membership] = moved;
  memberships.pop_back();
  if (membership < memberships.size()) moved.room->entries[moved.index].membership = membership;

  --subscriptions_;
  if (subscriber.delivery_ == Delivery::kPerRoom) --per_room_;
  drop_if_empty(*gone.room);
}

void Hub::drop_if_empty(HubRoom& room) {
  if (!room.entries.empty()) return;
  interest_.remove(room.pattern, shard_);
  if (room.pattern.scope == RoomPattern::Scope::kExact) {
    rooms_.erase(std::string(room.pattern.room));  // a copy: erasing destroys `room`
    shrink_if_sparse(rooms_);
  } else {
    pattern_slot(RoomPattern(room.pattern)).reset();
    --pattern_rooms_;
  }
}

bool Hub::leave(Subscriber& subscriber, std::string_view room) {
  const HubRoom* found = find(room);
  if (found == nullptr) return false;
  const auto& memberships = subscriber.memberships_;
  for (std::uint32_t i = 0; i < memberships.size(); ++i) {
    if (memberships[i].room == found) {
      remove(subscriber, i);
      return true;
    }
  }
  return false;
}

void Hub::leave_all(Subscriber& subscriber) {
  auto& memberships = subscriber.memberships_;
  while (!memberships.empty()) {
    remove(subscriber, static_cast<std::uint32_t>(memberships.size() - 1));
  }
  memberships.shrink_to_fit();
}

bool Hub::is_member(const Subscriber& subscriber, std::string_view room) const {
  const HubRoom* found = find(room);
  return found != nullptr &&
         std::any_of(subscriber.memberships_.begin(), subscriber.memberships_.end(),
                     [&](const Subscriber::Membership& m) { return m.room == found; });
}

std::size_t Hub::rooms_of(const Subscriber& subscriber) const {
  return subscriber.memberships_.size();
}

std::size_t Hub::deliver_to(const HubRoom* room, std::span<const PublicationPtr> run) {
  if (room == nullptr) return 0;
  std::size_t count = 0;
  const std::size_t size = room->entries.size();
  for (std::size_t i = 0; i < size; ++i) {
    // They are met in an order that no processor guesses. What a delivery touches stands behind the
    // Subscriber part, in three cache lines.
    if (i + 1 < size) prefetch_lines(room->entries[i + 1].subscriber, 0, 2);
    Subscriber& subscriber = *room->entries[i].subscriber;
    const std::uint64_t number =
        subscriber.delivery_ == Delivery::kOnce ? run_number_ : entry_number_;
    if (subscriber.last_delivered_ == number) continue;
    subscriber.last_delivered_ = number;
    if (run.size() == 1) {
      subscriber.deliver(run.front());
    } else {
      subscriber.deliver_run(run);
    }
    ++count;
  }
  return count;
}

std::size_t Hub::run_length(std::span<const PublicationPtr> publications) const {
  const auto& rooms = publications.front()->envelope().rooms;
  // Who takes each entry of the rooms apart gets an event's copies before the next event.
  if (per_room_ > 0 && rooms.size() > 1) return 1;
  std::size_t length = 1;
  while (length < publications.size() && publications[length]->envelope().rooms == rooms) ++length;
  return length;
}

std::size_t Hub::deliver_run(std::span<const PublicationPtr> run) {
  run_number_ = entry_number_ + 1;
  entry_number_ = run_number_;
  std::size_t count = 0;
  for (const std::string& room : run.front()->envelope().rooms) {
    ++entry_number_;
    count += deliver_to(find(room), run);
    if (const auto kind = room_kind(room)) {
      count += deliver_to(kinds_[static_cast<std::size_t>(*kind)].get(), run);
    }
  }
  count += deliver_to(all_.get(), run);
  return count;
}

}  // namespace notifications
