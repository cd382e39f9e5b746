// A subscription to a materialized view, as a door sees it: one message after the other, for as long as its client
// reads. docs/subscriptions.md says what the messages mean.
//
// Thread safety: one thread at a time. Ownership: keeps its session alive; the RequestContext it was opened with must
// outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/position.h"
#include "core/table_ref.h"

namespace arrow {
class RecordBatch;
class Schema;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::session {

struct SubscriptionRequest {
  TableRef view;
  bool schema_given = false;     // else the session's current schema
  std::string on = "update";     // or "close", or a period such as "1 second"
  std::string rows = "windows";  // or "groups"
  std::string where;             // a condition over the view's keys; empty: all rows
  std::string resume;            // the last token of an earlier subscription; empty: none
  bool snapshot = true;          // begin with the view as it is
};

class ChangeStream {
 public:
  struct Message {
    std::shared_ptr<arrow::RecordBatch> batch;  // perhaps without rows
    Position position = {};                     // at which it was read
    std::string resume = {};                    // empty: more of the same update follows
    bool is_snapshot = false;                   // part of the whole view
  };

  virtual ~ChangeStream() = default;
  // The column `op`, and the view's.
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  // Waits for the next one. Cancelled when the caller has gone or the subscription was ended; the message says why.
  virtual arrow::Result<Message> Next() = 0;
};

// Of all subscriptions since the start.
struct SubscriptionTotals {
  std::int64_t messages = 0;
  std::int64_t rows = 0;
  std::int64_t resets = 0;   // what a subscriber had missed was not known any more, so it was sent the whole view
  std::int64_t stalled = 0;  // ended, because they took nothing
};

struct SubscriptionInfo {
  std::string id;
  std::string session;
  std::string user;
  TableRef view;
  std::string on;
  std::string rows;
  std::string where;
  std::string state;  // waiting, reading, sending, stalled (it will be told that it was too slow)
  std::string position;
  std::int64_t lag = 0;           // positions from there to the last change
  std::int64_t bytes = 0;         // that are held for it: rows that are not taken yet
  std::int64_t change_bytes = 0;  // that the view's changes take, for all its subscribers
  std::int64_t messages = 0;
  std::int64_t rows_sent = 0;
  std::int64_t snapshots = 0;
};

}  // namespace hyprstream::session
