#include "aggregate/row_log_internal.h"

#include <algorithm>
#include <array>
#include <utility>

#include "aggregate/fold_internal.h"
#include "aggregate/group_table_internal.h"
#include "arrow/record_batch.h"
#include "arrow/util/byte_size.h"

namespace hyprstream::aggregate {

LoggedRows LoggedRows::Of(std::shared_ptr<arrow::RecordBatch> batch, const RowRange& rows,
                          std::span<const std::uint32_t> groups, std::uint32_t group_count) {
  std::vector<std::uint32_t> next(group_count, 0);  // first the rows of each group, then where its next one goes
  for (const std::uint32_t group : groups) ++next[group];
  LoggedRows logged{.batch = std::move(batch), .rows = nullptr, .runs = {}};
  std::uint32_t before = 0;
  for (std::uint32_t group = 0; group < group_count; ++group) {
    const std::uint32_t count = std::exchange(next[group], before);
    if (count != 0) logged.runs.push_back({.group = group, .rows = count});
    before += count;
  }
  auto sorted = std::make_shared<std::vector<std::uint32_t>>(groups.size());
  for (std::size_t i = 0; i < groups.size(); ++i) (*sorted)[next[groups[i]]++] = rows.Row(i);
  logged.rows = std::move(sorted);
  return logged;
}

std::int64_t RowLog::GrowthBound(const RecordLayout& layout, std::int64_t groups) const {
  std::int64_t bytes = 0;
  if (empty()) return bytes;
  for (const RecordLayout::Part& part : layout.parts()) bytes += part.ops->GrowthBound(rows(), groups);
  return bytes;
}

std::int64_t RowLog::rows() const {
  std::int64_t rows = 0;
  if (empty()) return rows;
  for (const LoggedRows& entry : *entries_) rows += static_cast<std::int64_t>(entry.rows->size());
  return rows;
}

std::int64_t RowLog::bytes() const {
  std::int64_t bytes = 0;
  if (empty()) return bytes;
  for (const LoggedRows& entry : *entries_) bytes += entry.bytes;
  return bytes;
}

void RowLog::Add(LoggedRows rows) {
  const auto count = static_cast<std::int64_t>(rows.rows->size());
  const std::int64_t of_batch = rows.batch->num_rows();
  rows.bytes =
      static_cast<std::int64_t>(rows.rows->size() * sizeof(std::uint32_t) + rows.runs.size() * sizeof(LoggedRows::Run));
  if (of_batch != 0) rows.bytes += arrow::util::TotalBufferSize(*rows.batch) * count / of_batch;
  if (empty()) entries_ = std::make_unique<Entries>();
  entries_->push_back(std::move(rows));
}

void RowLog::AddAll(const RowLog& other, std::span<const std::uint32_t> groups) {
  if (other.empty()) return;
  for (const LoggedRows& from : *other.entries_) {
    LoggedRows rows = from;
    for (LoggedRows::Run& run : rows.runs) run.group = groups[run.group];
    Add(std::move(rows));
  }
}

void RowLog::Drain(const RecordLayout& layout, GroupTable& table) {
  if (empty()) return;
  const auto scratch = std::make_unique<BlockScratch>();
  std::array<Record, kBlockRows> records;
  for (const LoggedRows& entry : *entries_) {
    const PartInputs inputs(layout, *entry.batch);
    const std::uint32_t* first = entry.rows->data();
    std::uint32_t filled = 0;
    const auto update = [&] {
      inputs.Update({.count = filled, .rows = first}, std::span(records).first(filled), *scratch, table.heap(),
                    PartInputs::Parts::kLarge);
      first += std::exchange(filled, 0);
    };
    for (const LoggedRows::Run& run : entry.runs) {
      const Record record = table.RecordToWrite(run.group);
      for (std::uint32_t left = run.rows; left > 0;) {
        const auto taken = std::min<std::uint32_t>(left, kBlockRows - filled);
        std::fill_n(records.begin() + filled, taken, record);
        filled += taken;
        left -= taken;
        if (filled == kBlockRows) update();
      }
    }
    update();
  }
  entries_ = nullptr;
}

}  // namespace hyprstream::aggregate
