// A subscription to a materialized view: what has changed since its subscriber was told last, read at one position.
//
//   subscription->Await(deadline) == kDue
//   auto delivery = subscription->Begin(connection);   // opens a transaction
//   for (rows : delivery.rows) { connection.Attach(rows.seen); /* SELECT ... FROM the view */ }
//   connection.Rollback(); ... subscription->Told(delivery);
//
// Whoever is behind is told the latest state once, not each step to it. What is remembered, and how long, is
// ViewChanges' to say.
//
// Thread safety: Stop, Info and WhyStopped from any thread, the rest by one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "commit/view_changes.h"
#include "core/position.h"
#include "core/snapshot.h"
#include "core/table_ref.h"

namespace arrow {
class Status;
template <class T>
class Result;
}  // namespace arrow
namespace hyprstream::engine {
class Connection;
}

namespace hyprstream::commit {

struct SubscribeOptions {
  TableRef view;
  bool on_close = false;                           // windows when they close, and then when late rows correct them
  std::optional<std::chrono::microseconds> every;  // not more often
  bool by_group = false;                           // changed groups, else whole windows
  bool from_now = false;                           // without the state that there is
  std::string filter;                              // what the subscriber picks rows by; a token is good for it alone
  std::vector<std::string> filter_columns;
  std::string resume;  // a token; empty: none
};

// What to tell at once: forget all (when it is a snapshot), then forget the windows in `gone`, then take the rows.
struct Delivery {
  struct Rows {
    bool is_correction;                    // of windows that were closed when they changed
    std::shared_ptr<const Snapshot> seen;  // attached to the connection, the view has these rows only
  };
  bool is_snapshot = false;
  std::vector<std::optional<std::int64_t>> gone = {};  // values of the window column
  std::vector<Rows> rows = {};
  ChangeCursor next = {};

  bool empty() const { return !is_snapshot && gone.empty() && rows.empty(); }
};

class Subscription {
 public:
  virtual ~Subscription() = default;

  // Until there may be something to tell, at most until `deadline`.
  virtual ViewChanges::Awaited Await(Clock::TimePoint deadline) = 0;
  // Opens a transaction on the connection and pins what is to be told. On error none is open.
  virtual arrow::Result<Delivery> Begin(engine::Connection& connection) = 0;
  virtual void Told(const Delivery& delivery) = 0;
  // Where the subscriber is, for `resume`. Of a delivery that is not told yet: where it will be.
  virtual std::string Token() const = 0;
  virtual std::string TokenAfter(const Delivery& delivery) const = 0;

  virtual void Stop(const std::string& why) = 0;
  virtual arrow::Status WhyStopped() const = 0;
  // Which of the view's columns says the window; -1: it has no windows.
  virtual int window_column() const = 0;
  virtual Position position() const = 0;
  virtual std::int64_t lag() const = 0;    // positions
  virtual std::int64_t bytes() const = 0;  // that the view's changes take, for all its subscribers
};

}  // namespace hyprstream::commit
