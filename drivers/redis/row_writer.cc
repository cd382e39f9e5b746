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
    : tables_(tables), table_(table), options_(options), cancel_(cancel), names_(tables.Names(table.name)) {}

arrow::Status RowWriter::Check(const std::vector<Cell>& cells) const {
  for (int i = 0; i < table_.schema->num_fields(); ++i) {
    if (!cells[static_cast<size_t>(i)].null) continue;
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
    ARROW_ASSIGN_OR_RAISE(const Reply reply,
                          tables_.wire()->Run({"INCRBY", names_.Counter(), std::to_string(options_.pipeline_rows)}));
    counter_end_ = reply->integer;
    counter_next_ = counter_end_ - options_.pipeline_rows;
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

arrow::Status RowWriter::Add(const std::vector<Cell>& cells) {
  ARROW_RETURN_NOT_OK(Check(cells));
  ARROW_ASSIGN_OR_RAISE(const std::string key, NextKey(cells));
  const std::string row = names_.Row(table_.version, key);
  AddRow(row, cells);
  ARROW_RETURN_NOT_OK(AddTime(row, key, cells));
  ++rows_;
  ++rows_pending_;
  const bool full =
      rows_pending_ >= options_.pipeline_rows || static_cast<int64_t>(pipeline_.bytes().size()) > kPipelineBytesMax;
  return full ? Flush() : arrow::Status::OK();
}

arrow::Status RowWriter::Flush() {
  if (rows_pending_ == 0) return arrow::Status::OK();
  pipeline_.Command(2 + scores_.size()).Word("ZADD").Word(names_.Index(table_.version));
  for (const std::string& word : scores_) pipeline_.Word(word);
  ARROW_RETURN_NOT_OK(tables_.wire()->Run(pipeline_, cancel_));
  pipeline_.Clear();
  scores_.clear();
  rows_pending_ = 0;
  return arrow::Status::OK();
}

arrow::Status RowWriter::Finish() {
  ARROW_RETURN_NOT_OK(Flush());
  if (table_.retention_ms == 0) return arrow::Status::OK();
  const auto now =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch());
  const Wide past = Wide{now.count()} - Wide{table_.retention_ms} * 1'000'000;
  const Wide unit = NanosecondsPerCount(*table_.schema->field(table_.time)->type());
  const std::string most = ScoreText(static_cast<int64_t>(past / unit) - 1);
  return tables_.wire()->Run({"ZREMRANGEBYSCORE", names_.Index(table_.version), "-inf", "(" + most}, cancel_).status();
}

arrow::Result<int64_t> RemoveRows(const Tables& tables, const Table& table, const std::vector<std::string>& keys,
                                  const CancelFlag* cancel) {
  constexpr size_t kPage = 1000;
  const KeyNames names = tables.Names(table.name);
  int64_t removed = 0;
  for (size_t first = 0; first < keys.size(); first += kPage) {
    const size_t end = std::min(first + kPage, keys.size());
    Pipeline pipeline;
    for (size_t i = first; i < end; ++i) pipeline.Add({"UNLINK", names.Row(table.version, keys[i])});
    pipeline.Command(2 + end - first).Word("ZREM").Word(names.Index(table.version));
    for (size_t i = first; i < end; ++i) pipeline.Word(keys[i]);
    ARROW_ASSIGN_OR_RAISE(const Replies replies, tables.wire()->Run(pipeline, cancel));
    for (size_t i = 0; i < end - first; ++i) removed += replies[i]->integer;
  }
  return removed;
}

}  // namespace adbc_redis
