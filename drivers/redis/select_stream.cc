#include "select_stream.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "failure.h"
#include "mapped_stream.h"

namespace adbc_redis {
namespace {

constexpr size_t kHeldRowsMax = 1'000'000;
constexpr int64_t kPipelinesPerIndexPage = 10;

Wide FloorDivide(Wide number, Wide by) { return number / by - (number % by < 0 ? 1 : 0); }

double ScoreOf(const std::optional<Wide>& time, Wide unit, double otherwise) {
  return time ? static_cast<double>(FloorDivide(*time, unit)) : otherwise;
}

}  // namespace

SelectStream::SelectStream(Tables tables, SelectPlan plan, ReadOptions options, std::shared_ptr<CancelFlag> cancel)
    : tables_(std::move(tables)),
      plan_(std::move(plan)),
      options_(options),
      cancel_(std::move(cancel)),
      names_(tables_.Names(plan_.table->name)),
      needs_time_(plan_.ordered || !plan_.time_conditions.empty()) {}

arrow::Result<std::unique_ptr<RowStream>> SelectStream::Make(Tables tables, sql::Statement statement,
                                                             std::unique_ptr<BoundRows> bound, ReadOptions options,
                                                             std::shared_ptr<CancelFlag> cancel) {
  const auto& select = std::get<sql::Select>(statement.command);
  ARROW_ASSIGN_OR_RAISE(Table table, tables.Load(select.table));
  ARROW_RETURN_NOT_OK(tables.NoteRead(table));
  ARROW_ASSIGN_OR_RAISE(SelectPlan plan, SelectPlan::Make(select, std::make_shared<const Table>(std::move(table))));
  if (plan.table->source != Source::kOwn) {
    return MappedStream::Make(std::move(tables), std::move(plan), statement.parameters, std::move(bound), options,
                              std::move(cancel));
  }
  std::unique_ptr<SelectStream> stream(
      new SelectStream(std::move(tables), std::move(plan), options, std::move(cancel)));
  for (const auto& field : stream->plan_.schema->fields()) {
    ARROW_ASSIGN_OR_RAISE(auto reader, ColumnReader::Make(field->type()));
    stream->readers_.push_back(std::move(reader));
  }
  stream->parameters_ = statement.parameters;
  if (statement.parameters > 0) {
    if (bound == nullptr) ARROW_RETURN_NOT_OK(CheckBound(statement.parameters, nullptr));
    stream->bound_ = std::move(bound);
  }
  ARROW_ASSIGN_OR_RAISE(const bool started, stream->StartNextScan());  // wrong values fail at execution
  stream->scans_ended_ = !started;
  return stream;
}

// With the next row of parameters; false after the last.
arrow::Result<bool> SelectStream::StartNextScan() {
  if (bound_ == nullptr) {
    if (cursor_ != nullptr || parameter_row_ > 0) return false;
  } else {
    while (parameter_batch_ == nullptr || parameter_row_ >= parameter_batch_->num_rows()) {
      ARROW_ASSIGN_OR_RAISE(parameter_batch_, bound_->Next());
      parameter_row_ = 0;
      if (parameter_batch_ == nullptr) return false;
      ARROW_RETURN_NOT_OK(CheckBound(parameters_, parameter_batch_.get()));
    }
  }
  ARROW_ASSIGN_OR_RAISE(scan_, ResolveScan(plan_, parameter_batch_.get(), parameter_row_++));
  left_ = scan_.limit;
  keys_.clear();
  cursor_ = scan_.empty ? nullptr : OpenCursor();
  return true;
}

std::unique_ptr<KeyCursor> SelectStream::OpenCursor() {
  const Table& table = *plan_.table;
  if (scan_.keys) return KnownKeys(*scan_.keys);
  if (table.time < 0) return AllKeys(tables_, table, cancel_.get());
  const Wide unit = NanosecondsPerCount(*table.schema->field(table.time)->type());
  constexpr double kAll = std::numeric_limits<double>::infinity();
  return KeysByTime(tables_, table,
                    {.least = ScoreOf(scan_.least, unit, -kAll),
                     .most = ScoreOf(scan_.most, unit, kAll),
                     .descending = plan_.ordered && plan_.descending},
                    cancel_.get());
}

// More keys from the index where none are left. What has an order is read page by page, since the end of a page may
// belong before the start of the next; else one look at the index serves several pipelines.
arrow::Status SelectStream::LoadKeys() {
  if (!keys_.empty()) return arrow::Status::OK();
  int64_t count = plan_.ordered ? options_.pipeline_rows : options_.pipeline_rows * kPipelinesPerIndexPage;
  count = std::max<int64_t>(std::min(count, left_), 1);
  if (scan_.keys && plan_.ordered) count = static_cast<int64_t>(scan_.keys->size());  // no order before all are read
  ARROW_ASSIGN_OR_RAISE(std::vector<std::string> keys, cursor_->Next(static_cast<size_t>(count)));
  keys_ended_ = static_cast<int64_t>(keys.size()) < count || (scan_.keys && plan_.ordered);
  keys_.assign(std::make_move_iterator(keys.begin()), std::make_move_iterator(keys.end()));
  return arrow::Status::OK();
}

arrow::Status SelectStream::LoadPage() {
  ARROW_RETURN_NOT_OK(LoadKeys());
  const auto count = plan_.ordered
                         ? keys_.size()
                         : std::min(keys_.size(), static_cast<size_t>(std::min(options_.pipeline_rows, left_)));
  const auto end = keys_.begin() + static_cast<std::ptrdiff_t>(count);
  ARROW_RETURN_NOT_OK(Fetch({std::make_move_iterator(keys_.begin()), std::make_move_iterator(end)}));
  keys_.erase(keys_.begin(), end);
  const bool ended = keys_.empty() && keys_ended_;
  Release(ended || !plan_.ordered ? std::nullopt : cursor_->open_score());
  if (ended) cursor_.reset();
  if (held_.size() <= kHeldRowsMax) return arrow::Status::OK();
  return Fail(ADBC_STATUS_NOT_IMPLEMENTED, "More than a million rows of table " + plan_.table->name +
                                               " have nearly the same time: read them without ORDER BY");
}

// Reads rows into held_. A row that is not there has expired, or was deleted since the index was read.
arrow::Status SelectStream::Fetch(const std::vector<std::string>& keys) {
  if (keys.empty()) return arrow::Status::OK();
  const Table& table = *plan_.table;
  const size_t first = needs_time_ ? 2 : 1;
  Pipeline pipeline;
  for (const std::string& key : keys) {
    pipeline.Command(2 + first + plan_.columns.size())
        .Word("HMGET")
        .Word(names_.Row(table.version, key))
        .Word(table.present_field());
    if (needs_time_) pipeline.Word(table.schema->field(table.time)->name());
    for (const int column : plan_.columns) pipeline.Word(table.schema->field(column)->name());
  }
  pipeline.Add({"GET", names_.Schema()});
  ARROW_ASSIGN_OR_RAISE(Replies replies, tables_.wire()->Run(pipeline, cancel_.get()));
  for (size_t i = 0; i < keys.size(); ++i) {
    if (replies[i]->type != REDIS_REPLY_ARRAY || replies[i]->elements != first + plan_.columns.size()) {
      return Fail(ADBC_STATUS_INVALID_DATA,
                  "The server answered HMGET of row " + Printable(keys[i]) + " with something else");
    }
    if (replies[i]->element[0]->type == REDIS_REPLY_NIL) {
      ARROW_RETURN_NOT_OK(CheckVersion(table, *replies.back()));
      continue;
    }
    Row row{.key = keys[i], .fields = std::move(replies[i]), .time = 0};
    if (needs_time_) {
      if (row.fields->element[1]->type == REDIS_REPLY_NIL) {
        return Describe(Fail(ADBC_STATUS_INVALID_DATA, "the row has no time"), row, table.time);
      }
      const arrow::Result<int64_t> time =
          CountOf(TextOf(*row.fields->element[1]), *table.schema->field(table.time)->type());
      if (!time.ok()) return Describe(time.status(), row, table.time);
      row.time = *time;
    }
    held_.push_back(std::move(row));
  }
  return arrow::Status::OK();
}

// Rows whose place is known become ready.
void SelectStream::Release(const std::optional<double>& open_score) {
  if (plan_.ordered) {
    std::ranges::stable_sort(
        held_, [&](const Row& a, const Row& b) { return plan_.descending ? a.time > b.time : a.time < b.time; });
  }
  const bool holds = plan_.ordered && open_score.has_value();
  const auto open =
      holds ? std::ranges::find_if(held_, [&](const Row& row) { return static_cast<double>(row.time) == *open_score; })
            : held_.end();
  std::move(held_.begin(), open, std::back_inserter(ready_));
  held_.erase(held_.begin(), open);
}

arrow::Result<bool> SelectStream::Matches(const Row& row) const {
  if (!scan_.has_time()) return true;
  const Table& table = *plan_.table;
  const Wide time = Wide{row.time} * NanosecondsPerCount(*table.schema->field(table.time)->type());
  return (!scan_.least || time >= *scan_.least) && (!scan_.most || time <= *scan_.most);
}

arrow::Status SelectStream::Describe(const arrow::Status& status, const Row& row, int column) const {
  return Fail(CodeOf(status), "Row " + Printable(row.key) + " of table " + plan_.table->name + ", column " +
                                  plan_.table->schema->field(column)->name() + ": " + status.message());
}

arrow::Status SelectStream::Append(const Row& row) {
  const size_t first = needs_time_ ? 2 : 1;
  for (size_t i = 0; i < readers_.size(); ++i) {
    const redisReply& field = *row.fields->element[first + i];
    const bool null = field.type == REDIS_REPLY_NIL;
    const arrow::Status appended = null ? readers_[i]->AppendNull() : readers_[i]->Append(TextOf(field));
    if (!appended.ok()) return Describe(appended, row, plan_.columns[i]);
    if (!null) batch_bytes_ += static_cast<int64_t>(field.len);
  }
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> SelectStream::Next() {
  ARROW_RETURN_NOT_OK(failed_);
  auto batch = ReadBatch();
  failed_ = batch.status();
  return batch;
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> SelectStream::ReadBatch() {
  if (cancel_->is_set()) return Fail(ADBC_STATUS_CANCELLED, "The statement was cancelled");
  int64_t rows = 0;
  batch_bytes_ = 0;
  while (!scans_ended_ && rows < options_.batch_rows && batch_bytes_ < options_.batch_bytes) {
    if (left_ > 0 && !ready_.empty()) {
      ARROW_ASSIGN_OR_RAISE(const bool matches, Matches(ready_.front()));
      if (matches) {
        ARROW_RETURN_NOT_OK(Append(ready_.front()));
        ++rows;
        --left_;
      }
      ready_.pop_front();
    } else if (left_ > 0 && cursor_ != nullptr) {
      ARROW_RETURN_NOT_OK(LoadPage());
    } else {
      ready_.clear();
      held_.clear();
      ARROW_ASSIGN_OR_RAISE(const bool started, StartNextScan());
      scans_ended_ = !started;
    }
  }
  if (rows == 0) return nullptr;
  arrow::ArrayVector columns;
  for (const auto& reader : readers_) {
    ARROW_ASSIGN_OR_RAISE(auto column, reader->Finish());
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(plan_.schema, rows, std::move(columns));
}

}  // namespace adbc_redis
