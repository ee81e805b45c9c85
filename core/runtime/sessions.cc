#include "core/runtime/sessions.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace notifications {

template <class Work>
void Sessions::reply(Shard& shard, Work work) {
  if (&shard == local_) {
    work();
  } else {
    shard.post(std::move(work));
  }
}

void Sessions::take(Shard& shard, std::string pid,
                    std::function<void(Journal::SessionResult, SessionRecord)> done) {
  boost::asio::post(io_, [this, &shard, pid = std::move(pid), done = std::move(done)]() mutable {
    journal_.take(std::move(pid), [this, &shard, done = std::move(done)](
                                      Journal::SessionResult result, SessionRecord record) mutable {
      reply(shard, [done = std::move(done), result, record = std::move(record)]() mutable {
        done(result, std::move(record));
      });
    });
  });
}

void Sessions::save(Shard& shard, SessionRecord record,
                    std::function<void(Journal::SessionResult)> done) {
  boost::asio::post(io_, [this, &shard, record = std::move(record),
                          done = std::move(done)]() mutable {
    constexpr bool kRefresh = false;
    journal_.save(std::move(record), kRefresh,
                  [this, &shard, done = std::move(done)](Journal::SessionResult result) mutable {
                    reply(shard, [done = std::move(done), result] { done(result); });
                  });
  });
}

void Sessions::refresh(Shard& shard, SessionRecord record, std::function<void()> failed) {
  boost::asio::post(
      io_, [this, &shard, record = std::move(record), failed = std::move(failed)]() mutable {
        constexpr bool kRefresh = true;
        journal_.save(
            std::move(record), kRefresh,
            [this, &shard, failed = std::move(failed)](Journal::SessionResult result) mutable {
              if (result == Journal::SessionResult::kUnavailable) {
                reply(shard, std::move(failed));
              }
            });
      });
}

void Sessions::forget(std::string pid, std::uint64_t generation) {
  boost::asio::post(io_, [this, pid = std::move(pid), generation]() mutable {
    journal_.forget(std::move(pid), generation);
  });
}

}  // namespace notifications
