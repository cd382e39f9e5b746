#include "row_writer.h"

#include <arrow/type.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "failure.h"

namespace adbc_redis {
namespace {

constexpr int64_t kPipelineBytesMax = int64_t{8} << 20;
constexpr int64_t kCountersAtOnce = 100'000;

std::string ScoreText(int64_t count) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof(buffer), static_cast<double>(count)).ptr};
}

}  // namespace

int64_t ExpiryOf(int64_t count, const arrow::DataType& type, int64_t retention_ms) {
  constexpr int64_t kMost = int64_t{1} << 52;
  const Wide at = Wide{count} * NanosecondsPerCount(type) / 1'000'000 + retention_ms;
  return static_cast<int64_t>(std::clamp(at, Wide{1}, Wide{kMost}));
}

RowWriter::RowWriter(const Tables& tables, const Table& table, WriteOptions options, const CancelFlag* cancel)
    : tables_(tables),
      table_(table),
      options_(options),
      cancel_(cancel),
      names_(tables.Names(table.name)),
      posting_(tables.wire()) {}

bool RowWriter::Concerns(int column) const {
  return options_.rule != RowRule::kUpdate || column == table_.key || options_.updated[static_cast<size_t>(column)];
}

arrow::Status RowWriter::Check(const std::vector<Cell>& cells) const {
  for (int i = 0; i < table_.schema->num_fields(); ++i) {
    if (!cells[static_cast<size_t>(i)].null || !Concerns(i)) continue;
    const bool needed = i == table_.key || i == table_.time || !table_.schema->field(i)->nullable();
    if (needed) {
      const char* role = i == table_.key ? "the primary key" : i == table_.time ? "the time column" : "NOT NULL";
      return Fail(ADBC_STATUS_INTEGRITY, "NULL in column " + table_.schema->field(i)->name() + ", which is " + role +
                                             ", row " + std::to_string(rows_));
    }
  }
  return arrow::Status::OK();
}

arrow::Result<std::string> RowWriter::NextKey(const std::vector<Cell>& cells) {
  if (table_.has_key()) return cells[static_cast<size_t>(table_.key)].text;
  if (counter_next_ == counter_end_) {
    const int64_t more = rows_ == 0 ? options_.pipeline_rows : kCountersAtOnce;  // their answer is waited for
    ARROW_ASSIGN_OR_RAISE(const Reply reply, tables_.wire()->Run({"INCRBY", names_.Counter(), std::to_string(more)}));
    counter_end_ = reply->integer;
    counter_next_ = counter_end_ - more;
  }
  char buffer[17];
  std::snprintf(buffer, sizeof(buffer), "%016llx", static_cast<unsigned long long>(counter_next_++));
  return std::string(buffer, 16);
}

void RowWriter::AddRow(const std::string& row, const std::vector<Cell>& cells) {
  const auto nulls = static_cast<size_t>(std::ranges::count_if(cells, &Cell::null));
  pipeline_.Command(2 + 2 * (cells.size() - nulls) + (table_.has_key() ? 0 : 2)).Word("HSET").Word(row);
  if (!table_.has_key()) pipeline_.Word("").Word("1");
  for (size_t i = 0; i < cells.size(); ++i) {
    if (!cells[i].null) pipeline_.Word(table_.schema->field(static_cast<int>(i))->name()).Word(cells[i].text);
  }
  if (nulls == 0 || options_.fresh || !table_.has_key()) return;
  pipeline_.Command(2 + nulls).Word("HDEL").Word(row);
  for (size_t i = 0; i < cells.size(); ++i) {
    if (cells[i].null) pipeline_.Word(table_.schema->field(static_cast<int>(i))->name());
  }
}

arrow::Status RowWriter::AddTime(const std::string& row, const std::string& key, const std::vector<Cell>& cells) {
  if (table_.time < 0) {
    scores_.emplace_back("0");
  } else {
    const arrow::DataType& type = *table_.schema->field(table_.time)->type();
    ARROW_ASSIGN_OR_RAISE(const int64_t count, CountOf(cells[static_cast<size_t>(table_.time)].text, type));
    if (table_.retention_ms > 0) {
      pipeline_.Command(3).Word("PEXPIREAT").Word(row).Word(ExpiryOf(count, type, table_.retention_ms));
    }
    scores_.push_back(ScoreText(count));
  }
  scores_.push_back(key);
  return arrow::Status::OK();
}

// What the columns of `updated` are to be in a row that is there.
arrow::Status RowWriter::WriteUpdated(const std::string& key, const std::vector<Cell>& cells) {
  const std::string row = names_.Row(table_.version, key);
  std::vector<size_t> set;
  std::vector<size_t> removed;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (options_.updated[i]) (cells[i].null ? removed : set).push_back(i);
  }
  const auto name = [&](size_t column) { return table_.schema->field(static_cast<int>(column))->name(); };
  if (!set.empty()) pipeline_.Command(2 + 2 * set.size()).Word("HSET").Word(row);
  for (const size_t i : set) pipeline_.Word(name(i)).Word(cells[i].text);
  if (!removed.empty()) pipeline_.Command(2 + removed.size()).Word("HDEL").Word(row);
  for (const size_t i : removed) pipeline_.Word(name(i));
  const bool moves = table_.time >= 0 && options_.updated[static_cast<size_t>(table_.time)];
  if (moves) ARROW_RETURN_NOT_OK(AddTime(row, key, cells));
  keys_.push_back(key);
  ++changed_;
  ++rows_pending_;
  return arrow::Status::OK();
}

arrow::Status RowWriter::Write(const std::string& key, const std::vector<Cell>& cells) {
  const std::string row = names_.Row(table_.version, key);
  AddRow(row, cells);
  ARROW_RETURN_NOT_OK(AddTime(row, key, cells));
  if (table_.has_key() && tables_.in_transaction()) keys_.push_back(key);
  ++changed_;
  ++rows_pending_;
  return arrow::Status::OK();
}

arrow::Status RowWriter::SettleOne(const Waiting& waiting, bool there, int64_t at) {
  switch (options_.rule) {
    case RowRule::kRefuse:
      if (!there) break;
      return Fail(ADBC_STATUS_INTEGRITY, "Column " + table_.present_field() + ", row " + std::to_string(at) + ": " +
                                             Printable(waiting.key) + " is a primary key of table " + table_.name +
                                             " already");
    case RowRule::kKeep:
      if (there) return arrow::Status::OK();
      break;
    case RowRule::kMerge:
      if (!merged_.insert(waiting.key).second) {
        return Fail(ADBC_STATUS_INVALID_ARGUMENT, "Column " + table_.present_field() + ", row " + std::to_string(at) +
                                                      ": the primary key " + Printable(waiting.key) +
                                                      " is given a second time");
      }
      if (there) return WriteUpdated(waiting.key, waiting.cells);
      break;
    case RowRule::kUpdate:
      return there ? WriteUpdated(waiting.key, waiting.cells) : arrow::Status::OK();
    case RowRule::kReplace:
      break;
  }
  return Write(waiting.key, waiting.cells);
}

// The waiting rows into the pipeline, as their keys are there or not.
arrow::Status RowWriter::Settle() {
  if (waiting_.empty()) return arrow::Status::OK();
  std::vector<std::string> keys;
  for (const Waiting& waiting : waiting_) keys.push_back(waiting.key);
  ARROW_ASSIGN_OR_RAISE(const std::vector<bool> there, tables_.RowsThere(table_, keys, cancel_));
  std::unordered_set<std::string_view> written;  // by a row before it
  int64_t at = rows_ - static_cast<int64_t>(waiting_.size());
  for (size_t i = 0; i < waiting_.size(); ++i) {
    const bool again = options_.rule != RowRule::kUpdate && !written.insert(keys[i]).second;
    ARROW_RETURN_NOT_OK(SettleOne(waiting_[i], there[i] || again, at++));
  }
  waiting_.clear();
  return Flush();
}

arrow::Status RowWriter::Add(const std::vector<Cell>& cells) {
  ARROW_RETURN_NOT_OK(Check(cells));
  ARROW_ASSIGN_OR_RAISE(std::string key, NextKey(cells));
  ++rows_;
  if (options_.rule != RowRule::kReplace && table_.has_key()) {
    waiting_.push_back({.key = std::move(key), .cells = cells});
    return static_cast<int64_t>(waiting_.size()) >= options_.pipeline_rows ? Settle() : arrow::Status::OK();
  }
  ARROW_RETURN_NOT_OK(Write(key, cells));
  const bool full =
      rows_pending_ >= options_.pipeline_rows || static_cast<int64_t>(pipeline_.bytes().size()) > kPipelineBytesMax;
  return full ? Flush() : arrow::Status::OK();
}

arrow::Status RowWriter::Flush() {
  if (rows_pending_ == 0) return arrow::Status::OK();
  if (!scores_.empty()) {
    pipeline_.Command(2 + scores_.size()).Word("ZADD").Word(names_.Index(table_.version));
    for (const std::string& word : scores_) pipeline_.Word(word);
  }
  ARROW_RETURN_NOT_OK(tables_.ChangeRows(table_, pipeline_, keys_, true, cancel_, &posting_));
  pipeline_.Clear();
  scores_.clear();
  keys_.clear();
  rows_pending_ = 0;
  return arrow::Status::OK();
}

arrow::Status RowWriter::Finish() {
  ARROW_RETURN_NOT_OK(Settle());
  ARROW_RETURN_NOT_OK(Flush());
  ARROW_RETURN_NOT_OK(posting_.Settle(cancel_));
  if (table_.retention_ms == 0) return arrow::Status::OK();
  const auto now =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch());
  const Wide past = Wide{now.count()} - Wide{table_.retention_ms} * 1'000'000;
  const Wide unit = NanosecondsPerCount(*table_.schema->field(table_.time)->type());
  const std::string most = ScoreText(static_cast<int64_t>(past / unit) - 1);
  // Which removes nothing that can be read: it needs not wait for a transaction's commit.
  return tables_.wire()->Run({"ZREMRANGEBYSCORE", names_.Index(table_.version), "-inf", "(" + most}, cancel_).status();
}

arrow::Result<int64_t> RemoveRows(const Tables& tables, const Table& table, const std::vector<std::string>& keys,
                                  const CancelFlag* cancel) {
  constexpr size_t kPage = 1000;
  const KeyNames names = tables.Names(table.name);
  int64_t removed = 0;
  for (size_t first = 0; first < keys.size(); first += kPage) {
    const std::vector<std::string> page(
        keys.begin() + static_cast<std::ptrdiff_t>(first),
        keys.begin() + static_cast<std::ptrdiff_t>(std::min(first + kPage, keys.size())));
    ARROW_ASSIGN_OR_RAISE(const std::vector<bool> there, tables.RowsThere(table, page, cancel));
    removed += std::ranges::count(there, true);
    Pipeline pipeline;
    for (const std::string& key : page) pipeline.Add({"UNLINK", names.Row(table.version, key)});
    pipeline.Command(2 + page.size()).Word("ZREM").Word(names.Index(table.version));
    for (const std::string& key : page) pipeline.Word(key);
    ARROW_RETURN_NOT_OK(tables.ChangeRows(table, pipeline, page, false, cancel));
  }
  return removed;
}

}  // namespace adbc_redis
