// All sessions of the server: made on whatever call comes first, found by key, ended by their client, by idleness, or
// some time after the last network connection that they were used through.
//
// Thread safety: all methods, from any thread. Ownership: outlives no CommitPath; a Session stays alive while calls of
// it run.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "commit/commit_path.h"
#include "core/request_context.h"
#include "session/session.h"

namespace hyprstream::session {

class BackendAttachments;

struct SessionLimits {
  // At which a user's session makes room for his next one: the longest unused of those without a connection, else of
  // those with nothing uncommitted.
  int sessions_max = 1000;
  std::chrono::milliseconds idle_max{3'600'000};             // of sessions, and of the tickets, prepared statements and
                                                             // transactions inside them
  std::chrono::milliseconds grace_max{60'000};               // how long a session outlives its last connection
  std::chrono::milliseconds statement_max{0};                // how long one statement may take; zero: no bound
  int tickets_max = 1000;                                    // per session; the oldest is forgotten
  int prepared_max = 10000;                                  // per session; CapacityError beyond
  int transactions_max = 100;                                // per session
  int subscriptions_max = 200;                               // of all sessions
  std::chrono::milliseconds subscription_stall_max{30'000};  // without taking more of a large update
  // After that long without a message a subscriber whose token has moved on is told: an old one may be forgotten.
  std::chrono::milliseconds subscription_token_period{10'000};
  std::int64_t batch_bytes_max = 1LL << 30;         // one incoming batch, after decompression
  std::int64_t result_batch_bytes_max = 8LL << 20;  // one outgoing batch: under ADBC's 16 MiB message limit
  std::function<bool()> memory_is_short;            // then running statements are stopped; empty: it never is
};

// Where a session is looked up: bearer token, else cookie, else the connection; `value` is never logged.
struct SessionKey {
  enum class Kind { kToken, kCookie, kConnection } kind = Kind::kConnection;
  std::string value;
  friend auto operator<=>(const SessionKey&, const SessionKey&) = default;
};

struct SessionInfo {
  std::string id;
  std::string user;
  std::string peer;
  std::int64_t statements = 0;
  std::int64_t idle_seconds = 0;
  std::int64_t connections = 0;  // open ones that it was used through
  bool in_transaction = false;
};

// A statement that runs or ran lately (the last 1,000). A query is one from its planning to the end of its rows.
struct QueryInfo {
  std::string id;
  std::string session;
  std::string user;
  std::string text;   // cut to 1 KB
  std::string route;  // aggregate, cache, local, backend, federated
  std::string state;  // running, planned (its rows are not fetched yet), finished, failed, cancelled
  std::string error;
  double ms = 0;          // so far; without the time between planning and fetching
  std::int64_t rows = 0;  // sent, or changed
};

class SessionRegistry {
 public:
  // Without `backends` ATTACH and DETACH are refused; they outlive the registry.
  static arrow::Result<std::unique_ptr<SessionRegistry>> Make(engine::Engine& engine, commit::CommitPath& commits,
                                                              SessionLimits limits,
                                                              BackendAttachments* backends = nullptr);
  virtual ~SessionRegistry() = default;

  // The session of `key`, made when there is none, for a call that came through the connection from `peer`.
  // CapacityError when sessions_max is reached; Invalid (never another's session) when the key belongs to another user.
  virtual arrow::Result<std::shared_ptr<Session>> Open(const SessionKey& key, const Identity& identity,
                                                       const std::string& peer) = 0;
  // The same, but null when there is none: for calls about what an earlier one must have made.
  virtual arrow::Result<std::shared_ptr<Session>> Find(const SessionKey& key, const Identity& identity,
                                                       const std::string& peer) = 0;
  // Rolls back what is uncommitted and forgets the session. False when there is none.
  virtual bool Close(const SessionKey& key) = 0;
  // The session of a ticket that the same user made elsewhere, for a query that is planned, whose rows are complete, or
  // that is being read (to cancel it). KeyError when unknown, of another user, or finished.
  virtual arrow::Result<std::shared_ptr<Session>> FindTicket(const Identity& identity, const Handle& ticket) = 0;

  // A network connection from `peer` begins; it has ended. A session whose connections have all ended lives on for
  // grace_max, also when its last call came from a peer whose connection was over by then, or is not known.
  virtual void Connected(const std::string& peer) = 0;
  virtual void Disconnected(const std::string& peer) = 0;

  virtual std::vector<SessionInfo> Sessions() const = 0;
  virtual std::vector<QueryInfo> Queries() const = 0;
  virtual std::vector<SubscriptionInfo> Subscriptions() const = 0;
  virtual SubscriptionTotals TotalsOfSubscriptions() const = 0;

  // Ends subscriptions, refuses new statements, waits up to `bound` for running ones, then interrupts them. Idempotent.
  virtual void Drain(std::chrono::milliseconds bound) = 0;
};

}  // namespace hyprstream::session
