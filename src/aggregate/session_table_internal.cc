#include "aggregate/session_table_internal.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "arrow/array/array_base.h"
#include "arrow/record_batch.h"
#include "arrow/result.h"

namespace hyprstream::aggregate {

std::shared_ptr<const SessionSpec> SessionSpec::Make(std::shared_ptr<const ViewSpec> view) {
  AggregateQuery bare = *view->query;
  bare.aggregates.clear();
  auto keys = std::make_shared<const RecordLayout>(bare, view->codec.width());
  const std::int64_t gap = *view->query->session_gap;
  return std::make_shared<const SessionSpec>(SessionSpec{.view = std::move(view), .keys = std::move(keys), .gap = gap});
}

std::vector<std::uint32_t> SessionSpec::RowsWithTime(const arrow::Array& times) const {
  std::vector<std::uint32_t> rows;
  const bool has_nulls = times.null_count() != 0;
  WithColumn<std::int64_t>(times, [&](auto column) {
    for (std::int64_t row = 0; row < times.length(); ++row) {
      if (has_nulls && times.IsNull(row)) continue;
      const std::int64_t time = column(row);
      if (IsTime(time) && time != std::numeric_limits<std::int64_t>::max()) {
        rows.push_back(static_cast<std::uint32_t>(row));
      }
    }
  });
  return rows;
}

// ---- records

SessionRecords::SessionRecords(std::shared_ptr<const RecordLayout> layout) : layout_(std::move(layout)) {}

Record SessionRecords::Make() {
  Record record = nullptr;
  if (!free_.empty()) {
    record = free_.back();
    free_.pop_back();
  } else {
    if (made_ == chunks_.size() * kChunkRecords) {
      chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kChunkRecords * layout_->width()));
    }
    record = chunks_.back().get() + (made_++ % kChunkRecords) * layout_->width();
  }
  std::memcpy(record, layout_->prototype(), layout_->width());
  return record;
}

void SessionRecords::Free(Record record) {
  if (layout_->has_heap()) {
    for (const RecordLayout::Part& part : layout_->parts()) {
      if (part.ops->has_heap()) part.ops->Release(record);
    }
  }
  free_.push_back(record);
}

std::int64_t SessionRecords::bytes() const {
  return static_cast<std::int64_t>(chunks_.size() * kChunkRecords * layout_->width() +
                                   free_.capacity() * sizeof(Record)) +
         heap_.bytes;
}

// ---- tables

SessionTable::SessionTable(std::shared_ptr<const SessionSpec> spec)
    : spec_(std::move(spec)), keys_(spec_->view->codec, spec_->keys), records_(spec_->view->layout) {}

SessionTable::SessionTable(const SessionTable& other)
    : spec_(other.spec_),
      keys_(other.keys_),
      sessions_(other.sessions_),
      records_(spec_->view->layout),
      count_(other.count_),
      rows_(other.rows_),
      least_last_(other.least_last_),
      greatest_last_(other.greatest_last_) {
  const RecordLayout& layout = records_.layout();
  for (std::vector<Session>& sessions : sessions_) {
    for (Session& session : sessions) {
      const Record copy = records_.Make();
      std::memcpy(copy, session.record, layout.width());
      session.record = copy;
      if (!layout.has_heap()) continue;
      for (const RecordLayout::Part& part : layout.parts()) {
        if (part.ops->has_heap()) part.ops->Detach(copy, records_.heap());
      }
    }
  }
}

SessionTable::~SessionTable() {
  if (!records_.layout().has_heap()) return;
  for (const std::vector<Session>& sessions : sessions_) {
    for (const Session& session : sessions) records_.Free(session.record);
  }
}

arrow::Status SessionTable::Add(const arrow::RecordBatch& batch, FoldScratch& scratch) {
  const ViewSpec& view = *spec_->view;
  const arrow::Array& times = *batch.column(view.query->window_key);
  const std::vector<std::uint32_t> listed = spec_->RowsWithTime(times);
  const auto total = static_cast<std::uint32_t>(batch.num_rows());
  const bool takes_all = listed.size() == total;
  const RowRange rows{.count = static_cast<std::uint32_t>(listed.size()), .rows = takes_all ? nullptr : listed.data()};
  if (rows.count == 0) return arrow::Status::OK();
  const auto keys = view.KeyColumns(batch);
  const PartInputs inputs(*view.layout, batch);
  scratch.finder.Start(keys, rows, keys_);
  return WithColumn<std::int64_t>(times, [&](auto time) {
    for (std::size_t at = 0; at < rows.count; at += kBlockRows) {
      const std::size_t count = std::min(kBlockRows, rows.count - at);
      const std::span<std::uint32_t> groups(scratch.groups.data(), count);
      const std::span<Record> records(scratch.records.data(), count);
      scratch.finder.Find(rows.Part(at, count), keys_, groups);
      sessions_.resize(keys_.size());
      std::size_t updated = 0;
      std::size_t i = 0;
      // Records are those of their rows until sessions are merged: what is due before must be done by then.
      const std::function<void()> update = [&] {
        inputs.Update(rows.Part(at + updated, i - updated), records.subspan(updated, i - updated), scratch.block,
                      records_.heap());
        updated = i;
      };
      for (; i < count; ++i) {
        const std::int64_t when = time(rows.Row(at + i));
        if (when > spec_->last_time()) {
          return arrow::Status::Invalid("View ", view.query->view.ToString(), ": the session of row ", rows.Row(at + i),
                                        " is out of range: it would end beyond the last time");
        }
        records[i] = Place(groups[i], when, update);
        AddRows(records[i], 1);
      }
      update();
      rows_ += static_cast<std::int64_t>(count);
    }
    return arrow::Status::OK();
  });
}

void SessionTable::Widen(const Session& session) {
  least_last_ = std::min(least_last_, session.last);
  greatest_last_ = std::max(greatest_last_, session.last);
}

// The record of the session that a row is in.
Record SessionTable::Place(std::uint32_t key, std::int64_t time, const std::function<void()>& before_merge) {
  std::vector<Session>& sessions = sessions_[key];
  const std::int64_t gap = spec_->gap;
  if (!sessions.empty() && time >= sessions.back().first && time < sessions.back().last + gap) {
    Session& newest = sessions.back();
    newest.last = std::max(newest.last, time);
    greatest_last_ = std::max(greatest_last_, newest.last);
    return newest.record;
  }
  auto at = std::ranges::partition_point(sessions, [&](const Session& s) { return s.last + gap <= time; });
  if (at == sessions.end() || at->first >= time + gap) {
    at = sessions.insert(at, {.first = time, .last = time, .record = records_.Make()});
    ++count_;
    Widen(*at);
    return at->record;
  }
  at->first = std::min(at->first, time);
  at->last = std::max(at->last, time);
  for (auto next = at + 1; next != sessions.end() && next->first < at->last + gap; next = at + 1) {
    before_merge();
    Merge(next->record, at->record);
    at->last = next->last;
    records_.Free(next->record);
    sessions.erase(next);
    --count_;
  }
  Widen(*at);
  return at->record;
}

void SessionTable::Merge(Record from, Record to) {
  AddRows(to, RowsOf(from));
  for (const RecordLayout::Part& part : records_.layout().parts()) {
    part.ops->Merge(std::span(&from, 1), std::span(&to, 1), records_.heap());
  }
}

std::uint32_t SessionTable::FindOrAdd(std::string_view key) {
  if (const auto found = keys_.Find(key)) return *found;
  keys_.Add(key);
  sessions_.resize(keys_.size());
  return keys_.size() - 1;
}

Record SessionTable::Append(std::uint32_t key, std::int64_t first, std::int64_t last, std::int64_t rows) {
  std::vector<Session>& sessions = sessions_[key];
  if (!sessions.empty() && first < sessions.back().last + spec_->gap) return nullptr;
  sessions.push_back({.first = first, .last = last, .record = records_.Make()});
  AddRows(sessions.back().record, rows);
  ++count_;
  rows_ += rows;
  Widen(sessions.back());
  return sessions.back().record;
}

std::size_t SessionTable::Insert(std::uint32_t key, const Session& session) {
  std::vector<Session>& sessions = sessions_[key];
  const auto at = std::ranges::partition_point(sessions, [&](const Session& s) { return s.first < session.first; });
  const Session copy{.first = session.first, .last = session.last, .record = records_.Make()};
  Merge(session.record, copy.record);
  const auto place = static_cast<std::size_t>(at - sessions.begin());
  sessions.insert(at, copy);
  ++count_;
  rows_ += RowsOf(session.record);
  Widen(copy);
  return place;
}

void SessionTable::Absorb(std::uint32_t key, std::size_t place, const Session& session) {
  Session& to = sessions_[key][place];
  Merge(session.record, to.record);
  to.first = std::min(to.first, session.first);
  to.last = std::max(to.last, session.last);
  rows_ += RowsOf(session.record);
  Widen(to);
}

void SessionTable::AddRowsTo(std::uint32_t key, std::size_t place, const PartInputs& inputs, const RowRange& rows,
                             BlockScratch& scratch) {
  const Record record = sessions_[key][place].record;
  const std::vector<Record> records(rows.count, record);
  AddRows(record, rows.count);
  inputs.Update(rows, records, scratch, records_.heap());
  rows_ += rows.count;
}

void SessionTable::Remove(std::uint32_t key, std::size_t place) {
  std::vector<Session>& sessions = sessions_[key];
  rows_ -= RowsOf(sessions[place].record);
  records_.Free(sessions[place].record);
  sessions.erase(sessions.begin() + static_cast<std::ptrdiff_t>(place));
  --count_;
}

void SessionTable::RemoveIf(const std::function<bool(const Session&)>& gone) {
  least_last_ = std::numeric_limits<std::int64_t>::max();
  greatest_last_ = std::numeric_limits<std::int64_t>::min();
  for (std::vector<Session>& sessions : sessions_) {
    std::erase_if(sessions, [&](const Session& session) {
      if (!gone(session)) {
        Widen(session);
        return false;
      }
      rows_ -= RowsOf(session.record);
      records_.Free(session.record);
      --count_;
      return true;
    });
  }
}

std::int64_t SessionTable::bytes() const {
  // Lists grow by doubling.
  return static_cast<std::int64_t>(sizeof(SessionTable) + sessions_.capacity() * sizeof(std::vector<Session>)) +
         2 * count_ * static_cast<std::int64_t>(sizeof(Session)) + keys_.bytes() + records_.bytes();
}

}  // namespace hyprstream::aggregate
