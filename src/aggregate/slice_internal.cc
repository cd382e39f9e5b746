#include "aggregate/slice_internal.h"

#include <chrono>
#include <format>
#include <limits>
#include <unordered_map>
#include <utility>

#include "arrow/array/data.h"
#include "arrow/array/util.h"
#include "arrow/buffer.h"
#include "arrow/record_batch.h"
#include "arrow/scalar.h"
#include "arrow/type.h"

namespace hyprstream::aggregate {
namespace {

// May a key of this type be a window's start?
bool IsWindowType(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
      return true;
    default:
      return false;
  }
}

std::string OutputName(const AggregateQuery& query, bool is_key, int index) {
  for (const OutputColumn& column : query.output) {
    if (column.is_key == is_key && column.index == index) return column.name;
  }
  return is_key ? query.key_sql[static_cast<std::size_t>(index)] : "aggregate " + std::to_string(index + 1);
}

arrow::Status CheckShape(const AggregateQuery& query) {
  const int columns = query.evaluated_schema->num_fields();
  if (columns < query.key_count() || query.window_key >= query.key_count() ||
      static_cast<int>(query.output.size()) != query.output_schema->num_fields()) {
    return arrow::Status::Invalid("View ", query.view.ToString(), ": its parts do not fit together");
  }
  for (std::size_t i = 0; i < query.output.size(); ++i) {
    const OutputColumn& column = query.output[i];
    const int limit = column.is_key ? query.key_count() : static_cast<int>(query.aggregates.size());
    if (column.index < 0 || column.index >= limit) {
      return arrow::Status::Invalid("View ", query.view.ToString(), ", column ", column.name,
                                    ": it stands for nothing");
    }
    const auto& type = column.is_key ? query.evaluated_schema->field(column.index)->type()
                                     : query.aggregates[static_cast<std::size_t>(column.index)].result_type;
    const auto& declared = query.output_schema->field(static_cast<int>(i))->type();
    if (!type->Equals(*declared)) {
      return arrow::Status::Invalid("View ", query.view.ToString(), ", column ", column.name, ": it is ",
                                    type->ToString(), ", declared ", declared->ToString());
    }
  }
  return arrow::Status::OK();
}

arrow::Status CheckAggregates(const AggregateQuery& query) {
  for (std::size_t i = 0; i < query.aggregates.size(); ++i) {
    const AggregateColumn& aggregate = query.aggregates[i];
    const bool has_argument = aggregate.kind != AggregateKind::kCountStar;
    if (has_argument &&
        (aggregate.argument < query.key_count() || aggregate.argument >= query.evaluated_schema->num_fields())) {
      return arrow::Status::Invalid("View ", query.view.ToString(), ": aggregate ", i + 1, " has no argument");
    }
    if (aggregate.filter >= 0 && (aggregate.filter >= query.evaluated_schema->num_fields() ||
                                  query.evaluated_schema->field(aggregate.filter)->type()->id() != arrow::Type::BOOL)) {
      return arrow::Status::Invalid("View ", query.view.ToString(), ": aggregate ", i + 1, " has no condition");
    }
    const arrow::DataType* argument =
        has_argument ? query.evaluated_schema->field(aggregate.argument)->type().get() : nullptr;
    const arrow::Status status = CheckAggregate(aggregate, argument);
    if (!status.ok()) {
      return status.WithMessage("View ", query.view.ToString(), ", column ",
                                OutputName(query, false, static_cast<int>(i)), ": ", status.message());
    }
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<std::shared_ptr<const ViewSpec>> ViewSpec::Make(std::shared_ptr<const AggregateQuery> query) {
  ARROW_RETURN_NOT_OK(CheckShape(*query));
  ARROW_RETURN_NOT_OK(CheckAggregates(*query));
  std::vector<KeyCodec::Column> columns;
  std::vector<int> codec_columns;
  std::vector<int> group_keys;
  std::optional<Physical> window;
  for (int key = 0; key < query->key_count(); ++key) {
    const std::shared_ptr<arrow::DataType>& type = query->evaluated_schema->field(key)->type();
    const std::optional<Physical> physical = PhysicalOf(*type);
    const bool is_window = key == query->window_key;
    if (!physical || (is_window && !IsWindowType(*type))) {
      return arrow::Status::NotImplemented("View ", query->view.ToString(), ", column ", OutputName(*query, true, key),
                                           ": a ", is_window ? "window start" : "key", " of type ", type->ToString(),
                                           " cannot be maintained");
    }
    if (is_window) {
      window = physical;
      codec_columns.push_back(-1);
      continue;
    }
    codec_columns.push_back(static_cast<int>(columns.size()));
    group_keys.push_back(key);
    columns.push_back({type, *physical});
  }
  return std::make_shared<const ViewSpec>(ViewSpec{.query = std::move(query),
                                                   .codec = KeyCodec(std::move(columns)),
                                                   .codec_columns = std::move(codec_columns),
                                                   .group_keys = std::move(group_keys),
                                                   .window = window});
}

std::shared_ptr<arrow::DataType> ViewSpec::EvaluatedType(int column) const {
  return query->evaluated_schema->field(column)->type();
}

std::string ViewSpec::KeyName(int key) const { return OutputName(*query, true, key); }

arrow::Result<std::shared_ptr<arrow::Scalar>> ViewSpec::WindowScalar(SliceKey key) const {
  const std::shared_ptr<arrow::DataType> type = EvaluatedType(query->window_key);
  if (key.is_null) return arrow::MakeNullScalar(type);
  return arrow::MakeScalar(type, key.start);
}

std::string ViewSpec::WindowText(SliceKey key) const {
  if (!window) return "";
  if (key.is_null) return "NULL";
  const std::shared_ptr<arrow::DataType> type = EvaluatedType(query->window_key);
  std::int64_t per_second = 0;
  std::int64_t seconds = 0;
  if (type->id() == arrow::Type::DATE32) {
    seconds = key.start * 86'400;
  } else if (type->id() == arrow::Type::TIMESTAMP || type->id() == arrow::Type::DATE64) {
    const auto unit = type->id() == arrow::Type::DATE64 ? arrow::TimeUnit::MILLI
                                                        : static_cast<const arrow::TimestampType&>(*type).unit();
    per_second = unit == arrow::TimeUnit::SECOND  ? 1
                 : unit == arrow::TimeUnit::MILLI ? 1'000
                 : unit == arrow::TimeUnit::MICRO ? 1'000'000
                                                  : 1'000'000'000;
    seconds = key.start / per_second - (key.start % per_second < 0 ? 1 : 0);
  } else {
    return std::to_string(key.start);
  }
  // std::chrono knows the years of an int16.
  constexpr std::int64_t kSecondsMax = 900'000'000'000;
  if (seconds > kSecondsMax || seconds < -kSecondsMax) return std::to_string(key.start);
  const std::chrono::sys_seconds at{std::chrono::seconds(seconds)};
  if (type->id() != arrow::Type::TIMESTAMP) return std::format("{:%F}", at);
  std::string text = std::format("{:%F %T}", at);
  if (const std::int64_t fraction = key.start - seconds * per_second; fraction != 0) {
    std::string digits = std::to_string(per_second + fraction).substr(1);
    digits.erase(digits.find_last_not_of('0') + 1);
    text += "." + digits;
  }
  return static_cast<const arrow::TimestampType&>(*type).timezone().empty() ? text : text + "+00";
}

std::vector<SliceKey> ViewSpec::WindowsOf(const arrow::Array& window_column) const {
  std::vector<SliceKey> windows(static_cast<std::size_t>(window_column.length()));
  WithPhysical(*window, [&]<class V>(std::type_identity<V>) {
    if constexpr (std::is_integral_v<V>) {
      WithColumn<V>(window_column, [&](auto column) {
        for (std::size_t row = 0; row < windows.size(); ++row) {
          const auto at = static_cast<std::int64_t>(row);
          windows[row] = window_column.IsNull(at) ? SliceKey{.is_null = true}
                                                  : SliceKey{.start = static_cast<std::int64_t>(column(at))};
        }
      });
    }
  });
  return windows;
}

Slice::Slice(const ViewSpec& spec) : groups_(spec.codec.width()) {
  for (const AggregateColumn& aggregate : spec.query->aggregates) {
    const bool has_argument = aggregate.kind != AggregateKind::kCountStar;
    const std::shared_ptr<arrow::DataType> argument = has_argument ? spec.EvaluatedType(aggregate.argument) : nullptr;
    accumulators_.push_back(MakeAccumulator(aggregate, argument.get()));
  }
}

Slice::Slice(const Slice& other) : groups_(other.groups_), rows_(other.rows_) {
  for (const auto& accumulator : other.accumulators_) accumulators_.push_back(accumulator->Clone());
}

std::shared_ptr<Slice> Slice::Clone() const { return std::shared_ptr<Slice>(new Slice(*this)); }

void Slice::ResizeStates() {
  for (const auto& accumulator : accumulators_) accumulator->Resize(groups_.size());
}

void Slice::AddEmptyGroup() {
  groups_.Add({});
  ResizeStates();
}

namespace {

struct Passed {
  std::vector<std::uint32_t> rows;
  std::vector<std::uint32_t> groups;
};

// Those of the rows where the condition is true.
Passed Pass(const arrow::Array& condition, std::span<const std::uint32_t> rows, std::span<const std::uint32_t> groups) {
  Passed passed;
  WithColumn<bool>(condition, [&](auto holds) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (condition.IsNull(rows[i]) || !holds(rows[i])) continue;
      passed.rows.push_back(rows[i]);
      passed.groups.push_back(groups[i]);
    }
  });
  return passed;
}

}  // namespace

void Slice::Add(const ViewSpec& spec, const RowKeys& keys, std::span<const std::uint64_t> hashes,
                std::span<const std::uint32_t> rows, const arrow::RecordBatch& batch) {
  const std::vector<std::uint32_t> groups = groups_.FindOrAdd(keys, hashes, rows);
  ResizeStates();
  for (std::size_t i = 0; i < accumulators_.size(); ++i) {
    const AggregateColumn& aggregate = spec.query->aggregates[i];
    const bool has_argument = aggregate.kind != AggregateKind::kCountStar;
    const std::shared_ptr<arrow::Array> argument = has_argument ? batch.column(aggregate.argument) : nullptr;
    if (aggregate.filter < 0) {
      accumulators_[i]->Update(argument.get(), rows, groups);
      continue;
    }
    const Passed passed = Pass(*batch.column(aggregate.filter), rows, groups);
    accumulators_[i]->Update(argument.get(), passed.rows, passed.groups);
  }
  rows_ += static_cast<std::int64_t>(rows.size());
}

void Slice::Merge(const Slice& other) {
  const std::vector<std::uint32_t> groups = groups_.FindOrAddAll(other.groups_);
  ResizeStates();
  for (std::size_t i = 0; i < accumulators_.size(); ++i) accumulators_[i]->Merge(*other.accumulators_[i], groups);
  rows_ += other.rows_;
}

std::int64_t Slice::bytes() const {
  std::int64_t bytes = static_cast<std::int64_t>(sizeof(Slice)) + groups_.bytes();
  for (const auto& accumulator : accumulators_) bytes += accumulator->bytes();
  return bytes;
}

void Slice::Save(StateWriter& writer) const {
  writer.Put(rows_);
  writer.Put(static_cast<std::uint64_t>(groups_.size()));
  for (std::int64_t group = 0; group < groups_.size(); ++group) {
    const std::string_view row = groups_.keys().Row(group);
    writer.Put(static_cast<std::uint32_t>(row.size()));
    writer.PutBytes(row);
  }
  for (const auto& accumulator : accumulators_) accumulator->Save(writer);
}

arrow::Status Slice::Load(const ViewSpec& spec, StateReader& reader) {
  ARROW_ASSIGN_OR_RAISE(rows_, reader.Take<std::int64_t>());
  ARROW_ASSIGN_OR_RAISE(const auto groups, reader.Take<std::uint64_t>());
  constexpr std::int64_t kRowsMax = std::int64_t{1} << 48;
  if (rows_ < 0 || rows_ > kRowsMax || groups > std::numeric_limits<std::uint32_t>::max() - 1) {
    return arrow::Status::Invalid("View state: a slice with impossible counts");
  }
  for (std::uint64_t group = 0; group < groups; ++group) {
    ARROW_ASSIGN_OR_RAISE(const auto size, reader.Take<std::uint32_t>());
    ARROW_ASSIGN_OR_RAISE(const std::string_view row, reader.TakeBytes(size));
    if (!spec.codec.IsWellFormed(row)) return arrow::Status::Invalid("View state: a group key that is none");
    if (!groups_.Add(row)) return arrow::Status::Invalid("View state: the same group twice");
  }
  for (const auto& accumulator : accumulators_) {
    ARROW_RETURN_NOT_OK(accumulator->Load(reader, static_cast<std::int64_t>(groups)));
  }
  return arrow::Status::OK();
}

namespace {

struct SliceRows {
  SliceKey key;
  std::vector<std::uint32_t> rows;
};

// Rows of each slice in their order, slices in order of appearance. Runs of one window cost a comparison a row.
std::vector<SliceRows> SplitBySlice(const ViewSpec& spec, const arrow::RecordBatch& batch) {
  const auto count = static_cast<std::size_t>(batch.num_rows());
  std::vector<SliceRows> parts;
  if (count == 0) return parts;
  std::vector<SliceKey> windows(1);
  if (spec.window) windows = spec.WindowsOf(*batch.column(spec.query->window_key));
  const auto hash = [](const SliceKey& key) { return std::hash<std::int64_t>{}(key.start) ^ (key.is_null ? 1U : 0U); };
  std::unordered_map<SliceKey, std::size_t, decltype(hash)> part_of(8, hash);
  std::size_t current = 0;
  for (std::size_t row = 0; row < count; ++row) {
    const SliceKey& key = windows[spec.window ? row : 0];
    if (parts.empty() || parts[current].key != key) {
      const auto [at, is_new] = part_of.try_emplace(key, parts.size());
      if (is_new) parts.push_back({.key = key, .rows = {}});
      current = at->second;
    }
    parts[current].rows.push_back(static_cast<std::uint32_t>(row));
  }
  return parts;
}

}  // namespace

arrow::Status AddBatch(const ViewSpec& spec, const arrow::RecordBatch& batch, SliceMap& slices) {
  const arrow::Schema& expected = *spec.query->evaluated_schema;
  if (batch.num_columns() != expected.num_fields() || batch.num_rows() > std::numeric_limits<std::int32_t>::max()) {
    return arrow::Status::Invalid("View ", spec.query->view.ToString(), ": a batch of ", batch.num_columns(),
                                  " columns and ", batch.num_rows(), " rows was evaluated, ", expected.num_fields(),
                                  " columns are expected");
  }
  for (int column = 0; column < batch.num_columns(); ++column) {
    if (batch.column(column)->type()->Equals(*expected.field(column)->type())) continue;
    return arrow::Status::Invalid("View ", spec.query->view.ToString(), ": column ", expected.field(column)->name(),
                                  " was evaluated as ", batch.column(column)->type()->ToString(), ", expected ",
                                  expected.field(column)->type()->ToString());
  }
  std::vector<std::shared_ptr<arrow::Array>> key_columns;
  for (const int key : spec.group_keys) key_columns.push_back(batch.column(key));
  const RowKeys keys = spec.codec.Encode(key_columns, batch.num_rows());
  std::vector<std::uint64_t> hashes(static_cast<std::size_t>(batch.num_rows()));
  for (std::size_t row = 0; row < hashes.size(); ++row) hashes[row] = HashRow(keys.Row(static_cast<std::int64_t>(row)));
  for (const SliceRows& part : SplitBySlice(spec, batch)) {
    auto at = LowerBound(slices, part.key);
    if (at == slices.end() || at->key != part.key) {
      at = slices.insert(at, SliceEntry{.key = part.key, .slice = std::make_shared<Slice>(spec)});
    }
    at->slice->Add(spec, keys, hashes, part.rows, batch);
  }
  return arrow::Status::OK();
}

SliceMap EmptySlices(const ViewSpec& spec) {
  SliceMap slices;
  if (spec.query->key_count() > 0) return slices;
  slices.push_back({.key = {}, .slice = std::make_shared<Slice>(spec)});
  slices.front().slice->AddEmptyGroup();
  return slices;
}

}  // namespace hyprstream::aggregate
