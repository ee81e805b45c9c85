#pragma once

#include <hiredis/read.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/redis/connection.h"

namespace notifications::redis {

// ReplyParser cuts a stream of bytes into replies with hiredis' reader.
//
// Messages of subscribed channels, the hot path, take a short cut: their text goes to the sink as
// a view of the read buffer from within the parse, and no reply is built. Elsewhere the view would
// not survive, for the reader moves its buffer before it returns.
//
// Nesting beyond seven arrays and everything else that is not RESP2 is an error, not a crash;
// arrays grow with the elements that really arrive, whatever length was announced.
//
// Thread: any one. Internal to core/redis (it shows hiredis).
class ReplyParser {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void on_reply(Reply reply) = 0;
    // Views are valid during the call only.
    virtual void on_message(std::string_view channel, std::string_view message) = 0;
    // False once the rest of the bytes matters to nobody; asked after each call above.
    virtual bool open() const = 0;
  };

  // Owns no sink: it outlives the parser.
  explicit ReplyParser(Sink& sink)
      : sink_(sink), reader_(redisReaderCreateWithFunctions(&functions())) {
    reader_->privdata = this;  // the macro for this does not compile as C++
    reader_->maxbuf = kKeptBuffer;
  }
  ReplyParser(const ReplyParser&) = delete;
  ReplyParser& operator=(const ReplyParser&) = delete;

  // From now on arrays ["message", channel, text] go to on_message().
  void expect_messages() { expect_messages_ = true; }

  // Hands out every reply that these bytes complete. False if they are not RESP2: error() says
  // what is wrong and the parser is of no further use. The sink may not destroy the parser.
  bool consume(std::string_view bytes) {
    while (!bytes.empty() && sink_.open()) {
      // The reader moves all it holds each time it has read another kilobyte, so feed it little at
      // a time; within one long string feed as much again as it holds, to copy only once or twice.
      const std::size_t held = reader_->len - reader_->pos;
      if (held > kMaxReply) return fail("a reply is too long");
      const std::size_t size = std::min(bytes.size(), std::max(kChunk, held));
      if (redisReaderFeed(reader_.get(), bytes.data(), size) != REDIS_OK)
        return fail(reader_->errstr);
      bytes.remove_prefix(size);
      while (sink_.open()) {
        void* reply = nullptr;
        if (redisReaderGetReply(reader_.get(), &reply) != REDIS_OK) return fail(reader_->errstr);
        if (reply == nullptr) break;
        if (!std::exchange(in_message_, false)) sink_.on_reply(std::move(root_));
      }
    }
    return true;
  }

  const std::string& error() const { return error_; }

 private:
  static constexpr std::size_t kChunk = 4 * 1024;
  static constexpr std::size_t kKeptBuffer = 1024 * 1024;
  // Beyond Redis' own limit of one string (proto-max-bulk-len).
  static constexpr std::size_t kMaxReply = 513u * 1024 * 1024;

  struct FreeReader {
    void operator()(redisReader* reader) const { redisReaderFree(reader); }
  };

  static redisReplyObjectFunctions& functions() {
    static redisReplyObjectFunctions table{create_string, create_array, create_integer, create_nil,
                                           [](void*) {}};
    return table;
  }

  static ReplyParser& self(const redisReadTask* task) {
    return *static_cast<ReplyParser*>(task->privdata);
  }

  // Where the value of `task` goes. An array's earlier elements may move when it grows, but only
  // its last one can still be open.
  static Reply& place(const redisReadTask* task) {
    if (task->parent != nullptr)
      return static_cast<Reply*>(task->parent->obj)->elements.emplace_back();
    Reply& root = self(task).root_;
    root.text.clear();
    root.integer = 0;
    root.elements.clear();
    return root;
  }

  static void* create_string(const redisReadTask* task, char* text, std::size_t size) {
    if (self(task).take_message_part(task, {text, size})) return &self(task).root_;
    Reply& reply = place(task);
    reply.kind = task->type == REDIS_REPLY_ERROR ? Reply::Kind::kError : Reply::Kind::kString;
    reply.text.assign(text, size);
    return &reply;
  }
  static void* create_array(const redisReadTask* task, int) {
    Reply& reply = place(task);
    reply.kind = Reply::Kind::kArray;
    return &reply;
  }
  static void* create_integer(const redisReadTask* task, long long value) {
    Reply& reply = place(task);
    reply.kind = Reply::Kind::kInteger;
    reply.integer = value;
    return &reply;
  }
  static void* create_nil(const redisReadTask* task) {
    Reply& reply = place(task);
    reply.kind = Reply::Kind::kNil;
    return &reply;
  }

  bool take_message_part(const redisReadTask* task, std::string_view text) {
    if (!expect_messages_ || task->parent == nullptr || task->parent->parent != nullptr ||
        task->parent->elements != 3)
      return false;
    if (task->idx == 0) {
      in_message_ = text == "message";
      channel_.clear();
    } else if (in_message_ && task->idx == 1) {
      channel_.assign(text);  // the buffer may move before the text is here
    } else if (in_message_) {
      sink_.on_message(channel_, text);
    }
    return in_message_;
  }

  bool fail(std::string_view why) {
    error_ = why;
    return false;
  }

  // Constant after construction.
  Sink& sink_;
  std::unique_ptr<redisReader, FreeReader> reader_;

  bool expect_messages_ = false;
  bool in_message_ = false;  // whether the reply at hand is a message
  std::string channel_;      // of the message at hand
  Reply root_;               // the reply at hand
  std::string error_;
};

}  // namespace notifications::redis
