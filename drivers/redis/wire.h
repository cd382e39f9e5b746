// The connection to one server: commands in pipelines, answers in order.
//
// Thread safety: Run() from any thread, one pipeline at a time. Ownership: replies are freed with their Replies.
#pragma once

#include <arrow/result.h>
#include <hiredis/hiredis.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server_address.h"

namespace adbc_redis {

// Stops what runs for one statement, from any thread; it stays set until Clear().
class CancelFlag {
 public:
  CancelFlag();
  ~CancelFlag();
  CancelFlag(const CancelFlag&) = delete;
  CancelFlag& operator=(const CancelFlag&) = delete;

  void Set();
  void Clear();
  bool is_set() const { return set_.load(); }
  int descriptor() const { return descriptor_; }  // readable while it is set

 private:
  std::atomic<bool> set_ = false;
  int descriptor_;
};

// Commands as bytes, each argument with its length: nothing in an argument can end it.
class Pipeline {
 public:
  // A command of `arguments` words, which the next calls of Word() give.
  Pipeline& Command(size_t arguments);
  Pipeline& Word(std::string_view word);
  Pipeline& Word(int64_t number) { return Word(std::string_view(std::to_string(number))); }
  // All at once.
  Pipeline& Add(std::initializer_list<std::string_view> words);

  Pipeline& Add(const Pipeline& others);

  size_t commands() const { return commands_; }
  const std::string& bytes() const { return bytes_; }
  void Clear();

 private:
  std::string bytes_;
  size_t commands_ = 0;
};

struct ReplyDeleter {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, ReplyDeleter>;
using Replies = std::vector<Reply>;

inline std::string_view TextOf(const redisReply& reply) { return {reply.str, reply.len}; }

class Wire;

// Pipelines whose answers are taken later, so that the server works while the next one is made.
//
// Thread safety: one thread. Ownership: owns neither what it sends nor what it is told.
class Posting {
 public:
  explicit Posting(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}
  ~Posting();  // whatever the answers are
  Posting(const Posting&) = delete;
  Posting& operator=(const Posting&) = delete;

  // Sends all commands, and takes the answers to those of the call before. The first error there was of any so far, as
  // Wire::Run() says.
  arrow::Status Add(const Pipeline& pipeline, const CancelFlag* cancel);
  // Takes the answers that are left.
  arrow::Status Settle(const CancelFlag* cancel);

 private:
  friend class Wire;
  const std::shared_ptr<Wire> wire_;
  arrow::Status failure_;  // under the wire's mutex
};

class Wire {
 public:
  // Connects and signs in. IO: no server there; UNAUTHENTICATED: the password is wrong or missing.
  static arrow::Result<std::unique_ptr<Wire>> Connect(ServerAddress address);
  ~Wire();

  // Sends all commands and returns as many replies; a reply that is an error fails it, after all have been read. A
  // connection that is lost (IO), has been silent too long (TIMEOUT) or is cancelled (CANCELLED) is made anew by the
  // next call, and losses() counts it: what a Transaction watches is gone then.
  arrow::Result<Replies> Run(const Pipeline& pipeline, const CancelFlag* cancel = nullptr);
  // The same for one command.
  arrow::Result<Reply> Run(std::initializer_list<std::string_view> words, const CancelFlag* cancel = nullptr);

  // For what is cleared away behind a failure: given up as a whole after five seconds, or timeout_ms, also where the
  // server goes on to send a byte now and then.
  arrow::Result<Replies> RunBriefly(const Pipeline& pipeline);

  // How many connections it has lost. What the server knows of a connection (WATCH) is gone when this changes.
  int64_t losses() const { return losses_.load(); }
  const ServerAddress& address() const { return address_; }

 private:
  friend class Posting;
  explicit Wire(ServerAddress address) : address_(std::move(address)) {}
  arrow::Result<Replies> RunLocked(const Pipeline& pipeline, const CancelFlag* cancel);
  arrow::Status Open();
  arrow::Status StartTls();
  arrow::Status SignIn();
  arrow::Status Send(const Pipeline& pipeline, const CancelFlag* cancel);
  arrow::Result<Reply> Receive(const CancelFlag* cancel);
  void Lose(const arrow::Status& why);
  // The answers that are owed to a posting, whose failure they are where they are errors.
  void TakeOwed(size_t answers, const CancelFlag* cancel);
  arrow::Status Wait(short events, const CancelFlag* cancel);
  arrow::Status Lost(std::string_view what) const;

  struct ContextDeleter {
    void operator()(redisContext* context) const { redisFree(context); }
  };

  const ServerAddress address_;
  std::mutex mutex_;  // over one pipeline: answers come in the order of commands
  std::unique_ptr<redisContext, ContextDeleter> context_;
  std::chrono::steady_clock::time_point until_ = std::chrono::steady_clock::time_point::max();  // no wait is longer
  std::atomic<int64_t> losses_ = 0;
  size_t owed_ = 0;             // answers that come before all others
  Posting* owed_to_ = nullptr;  // null: to nobody any more
};

// What an error reply means. Cluster redirects are NOT_IMPLEMENTED, permissions UNAUTHORIZED.
arrow::Status StatusOfError(std::string_view error);

}  // namespace adbc_redis
