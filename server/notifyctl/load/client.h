#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace notifications::load {

// How a client talks to its peer.
enum class Dialect : std::uint8_t {
  kSocketIo,  // upgrade, CONNECT, one subscribe, each as a stock client: after the last answer
  kFrames,    // nothing but server frames, from the first byte: the floor
};

// Client is one simulated browser: what it says, and what it makes of what it hears. It does no
// I/O: bytes go in, bytes to send come out.
//
// Thread: any one. An idle client holds no memory beside itself.
class Client {
 public:
  enum class State : std::uint8_t { kUpgrading, kOpening, kConnecting, kSubscribing, kLive };

  // What a client is told of. The views are valid during the call.
  class Ear {
   public:
    // The subscription was confirmed.
    virtual void on_live(Client& client) = 0;
    // A Socket.IO event packet: `42[...]`.
    virtual void on_event(Client& client, std::string_view packet) = 0;

   protected:
    ~Ear() = default;
  };

  Client(std::uint32_t id, std::uint32_t room, Dialect dialect)
      : id_(id),
        room_(room),
        state_(dialect == Dialect::kFrames ? State::kLive : State::kUpgrading) {}

  std::uint32_t id() const { return id_; }
  std::uint32_t room() const { return room_; }
  State state() const { return state_; }
  bool live() const { return state_ == State::kLive; }

  // The request that begins the conversation.
  static std::string upgrade_request(std::string_view host, std::string_view path);

  // Takes what the peer sent and appends to `out` what is to be answered. `rooms_json`: what
  // to subscribe to, the inside of an array. False if the peer said something that it should not
  // have; why() tells.
  bool receive(std::string_view bytes, std::string_view rooms_json, std::string& out, Ear& ear);
  const char* why() const { return why_; }

  // From now on keeps what a session is resumed by: the pid and the position of the last event.
  void remember_session() { session_ = std::make_unique<Session>(); }
  // Begins anew on another connection, to resume the session that it remembers; live again once the
  // peer has taken it up. False if there is none.
  bool resume();

  // The number of the last event seen; for whoever verifies.
  std::uint64_t last_sequence = 0;

 private:
  std::size_t take_one(std::string_view bytes, std::string_view rooms_json, std::string& out,
                       Ear& ear);
  bool on_message(std::string_view text, std::string_view rooms_json, std::string& out, Ear& ear);
  bool fail(const char* why) {
    why_ = why;
    return false;
  }

  // Journal on. See: ARCHITECTURE.md, The journal.
  struct Session {
    std::string pid;
    std::string offset;
    bool resuming = false;
  };

  std::string connect_packet() const;
  bool on_connected(std::string_view answer, std::string_view rooms_json, std::string& out,
                    Ear& ear);
  void note_position(std::string_view packet);

  std::unique_ptr<Session> session_;  // if it is to be remembered
  std::string partial_;               // an incomplete frame
  const char* why_ = nullptr;
  const std::uint32_t id_;
  const std::uint32_t room_;
  State state_;
};

}  // namespace notifications::load
