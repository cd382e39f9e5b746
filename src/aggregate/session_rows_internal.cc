#include "aggregate/session_rows_internal.h"

#include <algorithm>
#include <span>
#include <utility>

#include "aggregate/row_keys_internal.h"
#include "arrow/array/array_base.h"
#include "arrow/record_batch.h"
#include "arrow/util/byte_size.h"

namespace hyprstream::aggregate {

void SessionRowLists::Sort(const SessionSpec& spec, const SessionTable& table) {
  const ViewSpec& view = *spec.view;
  std::vector<std::size_t> first_of_key;  // its first session's place
  std::size_t count = 0;
  for (std::uint32_t key = 0; key < table.keys().size(); ++key) {
    first_of_key.push_back(count);
    count += table.Of(key).size();
  }
  sessions_.assign(count, {});
  RowKeys keys(view.codec.width());
  for (std::size_t batch = 0; batch < batches_.size(); ++batch) {
    const arrow::Array& times = *batches_[batch]->column(view.query->window_key);
    const std::vector<std::uint32_t> rows = spec.RowsWithTime(times);
    const auto columns = view.KeyColumns(*batches_[batch]);
    WithColumn<std::int64_t>(times, [&](auto time) {
      for (std::size_t at = 0; at < rows.size(); at += kBlockRows) {
        const auto block = std::span(rows).subspan(at, std::min(kBlockRows, rows.size() - at));
        view.codec.Encode(columns, {.count = static_cast<std::uint32_t>(block.size()), .rows = block.data()}, keys);
        for (std::size_t i = 0; i < block.size(); ++i) {
          const std::uint32_t key = *table.keys().Find(keys.Row(i));
          const auto sessions = table.Of(key);
          const std::int64_t when = time(block[i]);
          const auto session = std::ranges::partition_point(sessions, [&](const Session& s) { return s.last < when; });
          auto& parts = sessions_[first_of_key[key] + static_cast<std::size_t>(session - sessions.begin())];
          if (parts.empty() || parts.back().batch != batch) parts.push_back({.batch = batch, .rows = {}});
          parts.back().rows.push_back(block[i]);
        }
      }
    });
  }
}

std::int64_t SessionRowLists::bytes() const {
  std::int64_t bytes = 0;
  for (const auto& batch : batches_) bytes += arrow::util::TotalBufferSize(*batch) + 8 * batch->num_rows();
  return bytes;
}

SessionLearner::SessionLearner(const SessionSpec& spec, const SessionRowLists& rows) : rows_(rows) {
  inputs_.reserve(rows.batches().size());
  for (const auto& batch : rows.batches()) inputs_.emplace_back(*spec.view->layout, *batch);
}

void SessionLearner::Learn(std::size_t session, SessionTable& table, std::uint32_t key, std::size_t place) {
  for (const SessionRowLists::Part& part : rows_.Of(session)) {
    for (std::size_t at = 0; at < part.rows.size(); at += kBlockRows) {
      const auto count = std::min(kBlockRows, part.rows.size() - at);
      table.AddRowsTo(key, place, inputs_[part.batch],
                      {.count = static_cast<std::uint32_t>(count), .rows = part.rows.data() + at}, *scratch_);
    }
  }
}

}  // namespace hyprstream::aggregate
