#include "aggregate/foreign_states_internal.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "aggregate/mergeable_state_internal.h"
#include "aggregate/physical_internal.h"
#include "aggregate/row_keys_internal.h"
#include "aggregate/state_bytes_internal.h"
#include "aggregate/state_format_internal.h"
#include "aggregate/view_state.h"
#include "arrow/array/array_base.h"
#include "arrow/record_batch.h"
#include "arrow/result.h"
#include "arrow/type.h"
#include "core/aggregate_functions.h"

namespace hyprstream::aggregate {
namespace {

using Slices = std::map<SliceKey, std::shared_ptr<Slice>>;

// A record that is let go, with what its parts own.
class OwnRecord {
 public:
  explicit OwnRecord(const RecordLayout& layout) : layout_(layout), room_((layout.width() + 7) / 8) {
    std::copy_n(layout.prototype(), layout.width(), get());
  }
  OwnRecord(const OwnRecord&) = delete;
  OwnRecord& operator=(const OwnRecord&) = delete;
  ~OwnRecord() {
    for (const RecordLayout::Part& part : layout_.parts()) {
      if (part.ops->has_heap()) part.ops->Release(get());
    }
  }
  Record get() { return reinterpret_cast<std::byte*>(room_.data()); }

 private:
  const RecordLayout& layout_;
  std::vector<std::uint64_t> room_;
};

enum class StatesFrom { kForeign, kScan };

// Bytes that stand for values of a type of DuckDB's (see engine/order_keys_internal.h): they are read as what they were
// made of, and would be read beyond their end where they were not.
bool IsCarried(const std::string& sql) {
  return sql.starts_with("hyprstream_order_key(") || sql.starts_with("hyprstream_value_key(");
}

class ForeignStates {
 public:
  ForeignStates(const ViewSpec& spec, const arrow::RecordBatch& batch, StatesFrom from, std::int64_t& all_rows)
      : spec_(spec),
        query_(*spec.query),
        batch_(batch),
        from_(from),
        all_rows_(all_rows),
        opened_(query_.aggregates.size()) {
    if (from == StatesFrom::kScan) return;
    for (std::size_t i = 0; i < opened_.size(); ++i) {
      fingerprints_.push_back({FingerprintOfAggregate(query_, i), ZonedFingerprintOfAggregate(query_, i)});
    }
  }

  arrow::Status AddTo(Slices& slices) {
    ARROW_RETURN_NOT_OK(FindColumns());
    RowKeys keys(spec_.codec.width());
    const auto rows = static_cast<std::uint32_t>(batch_.num_rows());
    for (std::uint32_t first = 0; first < rows; first += kBlockRows) {
      const auto count = std::min<std::uint32_t>(kBlockRows, rows - first);
      spec_.codec.Encode(keys_, {.first = first, .count = count}, keys);
      for (std::uint32_t i = 0; i < count; ++i) ARROW_RETURN_NOT_OK(AddRow(first + i, keys.Row(i), slices));
    }
    return arrow::Status::OK();
  }

 private:
  arrow::Status Refuse(const OutputColumn& column, std::int64_t row, const std::string& why) const {
    return arrow::Status::Invalid("View ", query_.view.ToString(), " takes no such states: column ", column.name,
                                  ", row ", row, ": ", why);
  }

  // Does the column hold bytes that stand for values of another type? Those that are only hashed do not matter.
  bool HoldsCarried(const OutputColumn& column) const {
    if (column.is_key) return IsCarried(query_.key_sql[static_cast<std::size_t>(column.index)]);
    const AggregateColumn& aggregate = query_.aggregates[static_cast<std::size_t>(column.index)];
    if (FunctionOf(aggregate.kind).family == StateFamily::kDistinct) return false;
    return std::ranges::any_of(aggregate.arguments, [&](int argument) {
      return IsCarried(query_.argument_sql[static_cast<std::size_t>(argument - query_.key_count())]);
    });
  }

  arrow::Status FindColumns() {
    const auto columns = query_.output.size() + (from_ == StatesFrom::kScan ? 1 : 0);
    if (batch_.num_columns() != static_cast<int>(columns)) {
      return arrow::Status::Invalid("View ", query_.view.ToString(), " has ", columns,
                                    " columns, and so have its states; these rows have ", batch_.num_columns());
    }
    std::vector<std::shared_ptr<arrow::Array>> by_key(static_cast<std::size_t>(query_.key_count()));
    for (std::size_t i = 0; i < query_.output.size(); ++i) {
      const OutputColumn& column = query_.output[i];
      if (from_ == StatesFrom::kForeign && HoldsCarried(column)) {
        return arrow::Status::Invalid("View ", query_.view.ToString(), " takes no states: column ", column.name,
                                      ": values of its type are given by states(), but not taken");
      }
      const auto& array = batch_.column(static_cast<int>(i));
      const auto type = column.is_key ? spec_.EvaluatedType(column.index) : arrow::binary();
      if (!FoldsAs(*type, *array->type())) {
        return arrow::Status::Invalid("View ", query_.view.ToString(), " takes no such states: column ", column.name,
                                      " is ", type->ToString(), " there, not ", array->type()->ToString());
      }
      if (!column.is_key) continue;
      by_key[static_cast<std::size_t>(column.index)] = array;
      if (column.index == query_.window_key) after_start_ = column.after_start;
    }
    for (std::size_t key = 0; key < by_key.size(); ++key) {
      if (by_key[key] == nullptr) {
        return arrow::Status::Invalid("View ", query_.view.ToString(), ": it does not show all of its keys");
      }
    }
    for (const int key : spec_.group_keys) keys_.push_back(by_key[static_cast<std::size_t>(key)]);
    windows_.resize(static_cast<std::size_t>(batch_.num_rows()));
    if (spec_.window) windows_ = spec_.WindowsOf(*by_key[static_cast<std::size_t>(query_.window_key)]);
    return arrow::Status::OK();
  }

  arrow::Result<SliceKey> WindowOf(std::int64_t row) const {
    SliceKey window = windows_[static_cast<std::size_t>(row)];
    if (window.is_null) return window;
    window.start -= after_start_;
    const auto& fixed = query_.fixed_window;
    constexpr auto kFarthest = std::int64_t{1} << 62;  // infinite times are windows of their own
    if (!fixed || window.start > kFarthest || window.start < -kFarthest ||
        (static_cast<Int128>(window.start) - fixed->origin) % fixed->size == 0) {
      return window;
    }
    return arrow::Status::Invalid("View ", query_.view.ToString(), " takes no such states: row ", row, ": ",
                                  spec_.WindowText(window), " is not the start of one of its windows");
  }

  std::string_view TextAt(int column, std::int64_t row) const {
    std::string_view text;
    WithColumn<std::string_view>(*batch_.column(column), [&](auto values) { text = values(row); });
    return text;
  }

  // As Open(), of states as a scan gives them; of one that is NULL there is no payload.
  arrow::Result<std::int64_t> OpenScanned(std::int64_t row) {
    for (std::size_t i = 0; i < query_.output.size(); ++i) {
      const OutputColumn& column = query_.output[i];
      if (column.is_key) continue;
      auto& opened = opened_[static_cast<std::size_t>(column.index)];
      opened = {};
      if (batch_.column(static_cast<int>(i))->IsNull(row)) continue;
      StateReader reader(TextAt(static_cast<int>(i), row));
      ARROW_RETURN_NOT_OK(reader.Take<std::int64_t>().status());
      ARROW_ASSIGN_OR_RAISE(opened, reader.TakeBytes(reader.left()));
    }
    StateReader any(TextAt(batch_.num_columns() - 1, row));
    return any.Take<std::int64_t>();
  }

  // The payload of every aggregate's state; their number of rows.
  arrow::Result<std::int64_t> Open(std::int64_t row) {
    std::int64_t rows = -1;
    for (std::size_t i = 0; i < query_.output.size(); ++i) {
      const OutputColumn& column = query_.output[i];
      if (column.is_key) continue;
      const auto& array = *batch_.column(static_cast<int>(i));
      if (array.IsNull(row)) return Refuse(column, row, "there is none");
      const auto aggregate = static_cast<std::size_t>(column.index);
      const auto state = OpenState(fingerprints_[aggregate], TextAt(static_cast<int>(i), row));
      if (!state.ok()) return Refuse(column, row, state.status().message());
      StateReader reader(*state);
      const auto count = reader.Take<std::int64_t>();
      if (!count.ok() || *count < 0 || static_cast<std::uint64_t>(*count) > kRowsMask) {
        return Refuse(column, row, "a number of rows that cannot be");
      }
      if (rows >= 0 && rows != *count) return Refuse(column, row, "it is of other rows than the column before it");
      rows = *count;
      opened_[aggregate] = state->substr(sizeof(std::int64_t));
    }
    return rows;
  }

  // Every state counts, merged or not.
  arrow::Status CountRows(std::int64_t rows) {
    if (from_ == StatesFrom::kScan) return arrow::Status::OK();
    if (rows > kForeignRowsMax - all_rows_) return TooManyRows(query_);
    all_rows_ += rows;
    return arrow::Status::OK();
  }

  arrow::Status AddRow(std::int64_t row, std::string_view key, Slices& slices) {
    ARROW_ASSIGN_OR_RAISE(const auto rows, from_ == StatesFrom::kScan ? OpenScanned(row) : Open(row));
    ARROW_RETURN_NOT_OK(CountRows(rows));
    ARROW_ASSIGN_OR_RAISE(const auto window, WindowOf(row));
    OwnRecord record(*spec_.layout);
    AddRows(record.get(), rows);
    for (const RecordLayout::Part& part : spec_.layout->parts()) ARROW_RETURN_NOT_OK(LoadPart(row, part, record.get()));
    auto& slice = slices[window];
    if (slice == nullptr) slice = std::make_shared<Slice>(spec_);
    slice->AddGroup(*spec_.layout, key, record.get());
    return arrow::Status::OK();
  }

  arrow::Status LoadScanned(const OutputColumn& column, std::int64_t row, const RecordLayout::Part& part,
                            Record record) {
    const std::string_view state = opened_[static_cast<std::size_t>(column.index)];
    if (state.data() == nullptr) {
      part.ops->SkipRows(record);
      return arrow::Status::OK();
    }
    HeapAccount heap;
    const auto loaded = part.ops->LoadWider(state, record, heap);
    return loaded.ok() ? loaded : Refuse(column, row, loaded.message());
  }

  // Aggregates that share a part have one state.
  arrow::Status LoadPart(std::int64_t row, const RecordLayout::Part& part, Record record) {
    const OutputColumn* first = nullptr;
    for (const OutputColumn& column : query_.output) {
      if (column.is_key || spec_.layout->ops(static_cast<std::size_t>(column.index)) != part.ops.get()) continue;
      const std::string_view state = opened_[static_cast<std::size_t>(column.index)];
      if (first != nullptr) {
        if (from_ == StatesFrom::kForeign && state != opened_[static_cast<std::size_t>(first->index)]) {
          return Refuse(column, row, "it is not of the same rows as " + first->name);
        }
        continue;
      }
      first = &column;
      if (from_ == StatesFrom::kScan) {
        ARROW_RETURN_NOT_OK(LoadScanned(column, row, part, record));
        continue;
      }
      StateReader reader(state);
      HeapAccount heap;
      auto loaded = part.ops->Load(reader, std::span(&record, 1), heap);
      if (loaded.ok() && reader.left() != 0) loaded = arrow::Status::Invalid("bytes are left over");
      if (loaded.ok()) loaded = part.ops->CheckForeign(record);
      if (!loaded.ok()) return Refuse(column, row, loaded.message());
    }
    return first != nullptr ? arrow::Status::OK()
                            : arrow::Status::Invalid("View ", query_.view.ToString(), ": a column is missing");
  }

  const ViewSpec& spec_;
  const AggregateQuery& query_;
  const arrow::RecordBatch& batch_;
  const StatesFrom from_;
  std::int64_t& all_rows_;  // of the statement
  std::vector<std::shared_ptr<arrow::Array>> keys_;
  std::vector<SliceKey> windows_;
  std::int64_t after_start_ = 0;
  std::vector<std::array<std::uint64_t, 2>> fingerprints_;
  std::vector<std::string_view> opened_;  // by aggregate, of the row at hand
};

SliceMap MapOf(Slices slices) {
  SliceMap map;
  for (auto& [key, slice] : slices) map.push_back({.key = key, .slice = std::move(slice)});
  return map;
}

}  // namespace

arrow::Status TooManyRows(const AggregateQuery& query) {
  return arrow::Status::Invalid("View ", query.view.ToString(), " takes no more states: it would be of more than ",
                                kForeignRowsMax, " rows");
}

arrow::Result<SliceMap> FoldForeignStates(const ViewSpec& spec,
                                          const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
  Slices slices;
  std::int64_t all_rows = 0;
  for (const auto& batch : batches) {
    ARROW_RETURN_NOT_OK(ForeignStates(spec, *batch, StatesFrom::kForeign, all_rows).AddTo(slices));
    ARROW_RETURN_NOT_OK(CheckExactBytes(*spec.query, *spec.layout));
  }
  return MapOf(std::move(slices));
}

arrow::Result<SliceMap> FoldScannedStates(const ViewSpec& spec, const std::shared_ptr<arrow::RecordBatch>& batch) {
  Slices slices;
  std::int64_t all_rows = 0;
  ARROW_RETURN_NOT_OK(ForeignStates(spec, *batch, StatesFrom::kScan, all_rows).AddTo(slices));
  ARROW_RETURN_NOT_OK(CheckExactBytes(*spec.query, *spec.layout));
  return MapOf(std::move(slices));
}

}  // namespace hyprstream::aggregate
