#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/journal.h"
#include "core/runtime/shard.h"

namespace notifications {

// Sessions is the shards' way to the journal's session records, which live on the broker's thread.
//
// Thread: any; `done` is called on the shard's thread, and must bear that its connection has gone.
class Sessions {
 public:
  // `local` is the shard on whose thread the broker runs, or null. All outlive it.
  Sessions(boost::asio::io_context& broker_io, Journal& journal, const Shard* local)
      : io_(broker_io), journal_(journal), local_(local) {}

  // See: Journal, for what each promises.
  void take(Shard& shard, std::string pid,
            std::function<void(Journal::SessionResult, SessionRecord)> done);
  void save(Shard& shard, SessionRecord record, std::function<void(Journal::SessionResult)> done);
  // `failed` is called instead of a `done` if the record could not be written (now).
  void refresh(Shard& shard, SessionRecord record, std::function<void()> failed);
  void forget(std::string pid, std::uint64_t generation);

 private:
  template <class Work>
  void reply(Shard& shard, Work work);

  boost::asio::io_context& io_;
  Journal& journal_;
  const Shard* const local_;
};

}  // namespace notifications
