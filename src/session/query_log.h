// Statements that run or ran lately, for hyprstream.queries and metrics.
//
// Thread safety: all methods. Keeps the last `entries_max`. Ownership: outlives its entries.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/thread_annotations.h"
#include "session/session_registry.h"

namespace arrow {
class Status;
}

namespace hyprstream::session {

struct Logged;  // a statement and where it stands; guarded by the log's mutex

class QueryLog {
 public:
  explicit QueryLog(std::size_t entries_max) : entries_max_(entries_max) {}

  // One statement, from its start to Finish(); unfinished when dropped counts as cancelled. A query rests between its
  // Plan() and the Resume() of its fetching: then it does not count as running.
  class Entry {
   public:
    ~Entry();
    void SetRoute(const std::string& route);
    void Plan();
    void Resume();
    void Finish(const arrow::Status& status, std::int64_t rows);

   private:
    friend class QueryLog;
    Entry(QueryLog& log, std::shared_ptr<Logged> logged) : log_(log), logged_(std::move(logged)) {}
    QueryLog& log_;
    std::shared_ptr<Logged> logged_;
  };

  std::unique_ptr<Entry> Begin(const RequestContext& context, const std::string& session, std::string_view text);
  std::vector<QueryInfo> Entries() const;
  int running() const;

 private:
  const std::size_t entries_max_;
  mutable Mutex mutex_;
  std::deque<std::shared_ptr<Logged>> entries_ GUARDED_BY(mutex_);
  int running_ GUARDED_BY(mutex_) = 0;
};

}  // namespace hyprstream::session
