// The rows of a delta's sessions in their order: for views whose states learn from one row after the other.
//
// Thread safety: none; const methods from any thread while nobody writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "aggregate/fold_internal.h"
#include "aggregate/session_table_internal.h"

namespace arrow {
class RecordBatch;
}

namespace hyprstream::aggregate {

class SessionRowLists {
 public:
  // Rows of one batch, ascending.
  struct Part {
    std::size_t batch;
    std::vector<std::uint32_t> rows;
  };

  void Add(std::shared_ptr<arrow::RecordBatch> batch) { batches_.push_back(std::move(batch)); }
  // Finds the session of each row: `table` has folded those batches and no others.
  void Sort(const SessionSpec& spec, const SessionTable& table);

  const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches() const { return batches_; }
  // Of a session, by its place in the order of ForEachSession. None of one whose rows are not here.
  const std::vector<Part>& Of(std::size_t session) const { return sessions_.at(session); }
  bool empty() const { return batches_.empty(); }
  std::int64_t bytes() const;

 private:
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches_;
  std::vector<std::vector<Part>> sessions_;
};

// Adds rows of a delta to sessions of a state.
class SessionLearner {
 public:
  SessionLearner(const SessionSpec& spec, const SessionRowLists& rows);

  // Those of the delta's session to the one of a table that it is part of.
  void Learn(std::size_t session, SessionTable& table, std::uint32_t key, std::size_t place);

 private:
  const SessionRowLists& rows_;
  std::vector<PartInputs> inputs_;  // by batch
  const std::unique_ptr<BlockScratch> scratch_ = std::make_unique<BlockScratch>();
};

}  // namespace hyprstream::aggregate
