// The keys of a table's rows, page by page, from its index.
//
// Thread safety: one thread.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "table.h"

namespace adbc_redis {

struct TimeRange {
  double least;  // scores; both ends belong to it
  double most;
  bool descending = false;
};

class KeyCursor {
 public:
  virtual ~KeyCursor() = default;
  // At most `count` more; fewer only at the end. INVALID_STATE: the table was replaced or dropped, and the rows of the
  // version that is read are gone.
  virtual arrow::Result<std::vector<std::string>> Next(size_t count) = 0;
  // The last key's score where more keys may share it although their times differ: beyond 2^53 scores are no exact
  // counts.
  virtual std::optional<double> open_score() const { return std::nullopt; }
};

// Keys that are known.
std::unique_ptr<KeyCursor> KnownKeys(std::vector<std::string> keys);
// All, by key.
std::unique_ptr<KeyCursor> AllKeys(const Tables& tables, const Table& table, const CancelFlag* cancel);
// By time. Does not own the tables.
std::unique_ptr<KeyCursor> KeysByTime(const Tables& tables, const Table& table, TimeRange range,
                                      const CancelFlag* cancel);

// INVALID_STATE unless the server's #schema (a reply to GET) still is of this version.
arrow::Status CheckVersion(const Table& table, const redisReply& schema);

}  // namespace adbc_redis
