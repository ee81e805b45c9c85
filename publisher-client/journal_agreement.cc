#include "publisher-client/journal_agreement.h"

#include <chrono>
#include <utility>

namespace notifications::publishing {
namespace {

// Gateways come and go while a publisher stays.
constexpr std::chrono::seconds kInterval{30};

}  // namespace

JournalAgreement::JournalAgreement(boost::asio::io_context& io, redis::Connection& connection,
                                   const std::string& channel, bool journal,
                                   std::atomic<bool>& disagreement,
                                   std::function<void(std::string_view line)> log)
    : connection_(connection),
      journal_(journal),
      word_(journal ? redis::JournalKeys(channel).mode_off : redis::JournalKeys(channel).mode_on),
      disagreement_(disagreement),
      log_(std::move(log)),
      timer_(io) {}

void JournalAgreement::on_up() { ask(); }

void JournalAgreement::stop() { timer_.cancel(); }

void JournalAgreement::ask() {
  ask_later();
  if (!connection_.up()) return;
  connection_.send({"GET", word_}, [this](const redis::Reply& reply) { on_answer(reply); });
}

void JournalAgreement::ask_later() {
  timer_.expires_after(kInterval);  // cancels the wait before
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) ask();
  });
}

void JournalAgreement::on_answer(const redis::Reply& reply) {
  if (reply.failed()) return;
  const bool disagreement = reply.kind == redis::Reply::Kind::kString;
  if (disagreement_.exchange(disagreement) == disagreement || !log_) return;
  if (!disagreement) {
    log_("all gateways of the channel agree about the journal now");
  } else if (journal_) {
    log_("the journal is on here, but off at " + reply.text);
  } else {
    log_("the journal is off here, but on at " + reply.text);
  }
}

}  // namespace notifications::publishing
