#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace notifications::test {

// TcpClient is a blocking socket to a server on loopback, for tests: every wait has a deadline,
// and one that passes is a test failure.
//
// Thread: any one.
class TcpClient {
 public:
  // `receive_buffer`: bytes the system keeps for us, to be slow on purpose; 0: its own choice.
  explicit TcpClient(std::uint16_t port, int receive_buffer = 0);
  ~TcpClient();
  TcpClient(TcpClient&& other) noexcept;
  TcpClient& operator=(TcpClient&& other) noexcept;

  // Sends all of it; false if the server has closed.
  bool send(std::string_view bytes);
  // Sends it in segments of one byte.
  void dribble(std::string_view bytes);
  // Reads exactly `count` bytes.
  std::string read(std::size_t count);
  // Reads up to and with `end`.
  std::string read_until(std::string_view end);
  // Reads one HTTP answer: head, and a body as long as Content-Length says.
  std::string read_answer();
  // Reads all that comes until the server ends its half.
  std::string read_rest();
  // Whether the server ends or resets the connection; what comes before is dropped.
  bool closed_by_server();
  // Whether something is there to be read, now.
  bool has_input() const;

  // Ends our half.
  void shutdown();
  void close();
  // Closes with a reset rather than an orderly end.
  void reset();
  int fd() const { return fd_; }

 private:
  // Reads what is there, waiting for the first byte. False at the end of the stream.
  bool fill();

  int fd_ = -1;
  std::string buffer_;  // received and not yet read
};

// One frame of a server.
struct ServerFrame {
  int opcode = -1;  // -1: there was none
  std::string payload;

  bool operator==(const ServerFrame&) const = default;
};

// WebSocketClient speaks WebSocket and Socket.IO to an edge, byte by byte if it must.
//
// Thread: any one.
class WebSocketClient {
 public:
  static constexpr std::string_view kTarget = "/socket.io/?EIO=4&transport=websocket";

  // The request that asks for the upgrade.
  static std::string upgrade_request(std::string_view target = kTarget);
  // The bytes of one masked frame.
  static std::string frame(int opcode, std::string_view payload, bool fin = true);
  static std::string text(std::string_view payload) { return frame(1, payload); }

  // Upgrades, and reads the 101.
  explicit WebSocketClient(std::uint16_t port, int receive_buffer = 0);
  // Upgraded already.
  explicit WebSocketClient(TcpClient tcp) : tcp_(std::move(tcp)) {}

  // Reads the open packet, joins the default namespace, and returns the open packet.
  std::string connect();
  // Subscribes with ack id 7 to the rooms, given as the text of a JSON array; true if they are
  // live.
  bool subscribe(std::string_view rooms_json);

  void send_text(std::string_view payload) { tcp_.send(text(payload)); }
  ServerFrame next();
  // The next frame's payload, which has to be a text.
  std::string next_text();
  // The close frame's payload, or nothing if there comes none; frames before it are dropped.
  std::optional<std::string> next_close();

  TcpClient& tcp() { return tcp_; }

 private:
  TcpClient tcp_;
};

// The payload of a close frame.
std::string close_payload(std::uint16_t code, std::string_view reason);

}  // namespace notifications::test
