// The ChangeStream of a session; see change_stream.h for the contract.
//
// Between deliveries it holds nothing but its place. A delivery is read at one position, as the session's own SELECT on
// the view with what has changed attached to it; when it is small, its connection and states are given back before it
// is sent.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/thread_annotations.h"
#include "commit/subscription.h"
#include "session/open_subscriptions.h"
#include "session/session_internal.h"

namespace hyprstream::session {

class SubscriptionStream final : public ChangeStream, public OpenSubscription {
 public:
  struct Parts {
    std::shared_ptr<SessionImpl> session;
    std::unique_ptr<OpenSubscriptions::Place> place;
    std::unique_ptr<commit::Subscription> subscription;
    std::shared_ptr<const engine::Statement> select;
    std::shared_ptr<arrow::Schema> rows_schema;  // of the SELECT
    SubscriptionRequest request;
    SubscribedSettings settings = {};  // that the SELECT means
  };
  SubscriptionStream(const RequestContext& context, SessionServices& services, Parts parts);
  ~SubscriptionStream() override;
  SubscriptionStream(const SubscriptionStream&) = delete;
  SubscriptionStream& operator=(const SubscriptionStream&) = delete;

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  arrow::Result<Message> Next() override;

  void Stop(const std::string& why) override { parts_.subscription->Stop(why); }
  void EndIfStalled() override EXCLUDES(mutex_);
  SubscriptionInfo Info() const override EXCLUDES(mutex_);

 private:
  // A delivery that is being read, and what that holds.
  struct Reading {
    std::unique_ptr<OpenSubscriptions::Turn> turn;
    LaneLease lease;
    std::unique_ptr<CancelWatcher::Watch> watch;
    commit::Delivery delivery;
    engine::Prepared* plan = nullptr;
    std::size_t next_rows = 0;
    std::shared_ptr<arrow::RecordBatchReader> rows = nullptr;
    bool began = false;                                   // its first batch, of what is to be forgotten, was made
    std::shared_ptr<arrow::RecordBatch> ahead = nullptr;  // so that the last one is known to be
  };
  enum class Waited { kDue, kQuiet };

  arrow::Result<Waited> Await();
  arrow::Status CheckWanted() const;
  bool OwesToken() const;
  arrow::Result<bool> Read(OpenSubscriptions::Reading how);
  arrow::Result<std::unique_ptr<Reading>> Open(OpenSubscriptions::Reading how);
  arrow::Status PutSettings(LaneLease& lease) const;
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> NextBatch(Reading& reading);
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Forgotten(const commit::Delivery& delivery) const;
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> WithOp(const char* op, const arrow::RecordBatch& rows) const;
  arrow::Status Finish(Reading& reading, std::vector<std::shared_ptr<arrow::RecordBatch>> batches);
  arrow::Result<Message> NextOf(Reading& reading);
  Message Give(Message message) EXCLUDES(mutex_);

  const RequestContext& context_;
  SessionServices& services_;
  const Parts parts_;
  const std::shared_ptr<arrow::Schema> schema_;
  const std::string id_;
  std::optional<Message> held_;  // read, not given yet
  std::string last_token_;
  std::chrono::steady_clock::time_point last_given_ = std::chrono::steady_clock::now();

  mutable Mutex mutex_;
  std::unique_ptr<Reading> streaming_ GUARDED_BY(mutex_);  // a large delivery, while it is sent
  bool stalled_ GUARDED_BY(mutex_) = false;
  const char* state_ GUARDED_BY(mutex_) = "waiting";
  std::int64_t held_bytes_ GUARDED_BY(mutex_) = 0;
  std::int64_t messages_ GUARDED_BY(mutex_) = 0;
  std::int64_t rows_ GUARDED_BY(mutex_) = 0;
  std::int64_t snapshots_ GUARDED_BY(mutex_) = 0;
  std::chrono::steady_clock::time_point given_at_ GUARDED_BY(mutex_);
};

}  // namespace hyprstream::session
