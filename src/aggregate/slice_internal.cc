#include "aggregate/slice_internal.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "aggregate/fold_internal.h"
#include "aggregate/view_family_internal.h"
#include "aggregate/view_state.h"
#include "arrow/array/data.h"
#include "arrow/array/util.h"
#include "arrow/buffer.h"
#include "arrow/record_batch.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "arrow/type_traits.h"
#include "base/time_text.h"
#include "core/aggregate_functions.h"

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
    ArgumentTypes arguments;
    for (const int argument : aggregate.arguments) {
      if (argument < query.key_count() || argument >= query.evaluated_schema->num_fields()) {
        return arrow::Status::Invalid("View ", query.view.ToString(), ": aggregate ", i + 1, " has no argument");
      }
      arguments.push_back(query.evaluated_schema->field(argument)->type());
    }
    if (aggregate.filter >= 0 && (aggregate.filter >= query.evaluated_schema->num_fields() ||
                                  query.evaluated_schema->field(aggregate.filter)->type()->id() != arrow::Type::BOOL)) {
      return arrow::Status::Invalid("View ", query.view.ToString(), ": aggregate ", i + 1, " has no condition");
    }
    const arrow::Status status = CheckAggregate(aggregate, arguments);
    if (!status.ok()) {
      return status.WithMessage("View ", query.view.ToString(), ", column ",
                                OutputName(query, false, static_cast<int>(i)), ": ", status.message());
    }
  }
  return arrow::Status::OK();
}

bool LearnsInOrder(const AggregateQuery& query) {
  return std::ranges::any_of(query.aggregates,
                             [](const AggregateColumn& aggregate) { return FunctionOf(aggregate.kind).in_order; });
}

std::vector<Record> AllRecords(const GroupTable& table) {
  std::vector<Record> records;
  records.reserve(table.size());
  for (std::uint32_t group = 0; group < table.size(); ++group) records.push_back(table.record(group));
  return records;
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
  KeyCodec codec(std::move(columns));
  auto layout = std::make_shared<const RecordLayout>(*query, codec.width());
  std::string family = FamilyOf(*query);
  const bool in_order = LearnsInOrder(*query);
  return std::make_shared<const ViewSpec>(ViewSpec{.query = std::move(query),
                                                   .codec = std::move(codec),
                                                   .layout = std::move(layout),
                                                   .codec_columns = std::move(codec_columns),
                                                   .group_keys = std::move(group_keys),
                                                   .window = window,
                                                   .family = std::move(family),
                                                   .in_order = in_order});
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
  if (type->id() == arrow::Type::DATE32) return DateText(key.start);
  if (type->id() == arrow::Type::DATE64) return TimestampText(key.start, 1'000);
  if (type->id() != arrow::Type::TIMESTAMP) return std::to_string(key.start);
  const auto& timestamp = static_cast<const arrow::TimestampType&>(*type);
  const std::int64_t per_second = timestamp.unit() == arrow::TimeUnit::SECOND  ? 1
                                  : timestamp.unit() == arrow::TimeUnit::MILLI ? 1'000
                                  : timestamp.unit() == arrow::TimeUnit::MICRO ? 1'000'000
                                                                               : 1'000'000'000;
  const std::string text = TimestampText(key.start, per_second);
  const bool has_zone = !timestamp.timezone().empty() && !text.ends_with("infinity");
  return has_zone ? text + "+00" : text;
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

std::vector<std::shared_ptr<arrow::Array>> ViewSpec::KeyColumns(const arrow::RecordBatch& evaluated) const {
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (const int key : group_keys) columns.push_back(evaluated.column(key));
  return columns;
}

Slice::Slice(const ViewSpec& spec) : groups_(spec.codec, spec.layout) {}

std::shared_ptr<Slice> Slice::Clone() const { return std::shared_ptr<Slice>(new Slice(*this)); }

std::shared_ptr<Slice> Slice::NextCopy() { return is_newest() ? std::shared_ptr<Slice>(new Slice(this)) : Clone(); }

void Slice::AddEmptyGroup() { groups_.Add({}); }

void Slice::Add(const ViewSpec& spec, const arrow::RecordBatch& batch, const RowRange& rows, FoldScratch& scratch) {
  AddBlocks(spec, batch, rows, scratch, nullptr);
}

void Slice::AddLogged(const ViewSpec& spec, const std::shared_ptr<arrow::RecordBatch>& batch, const RowRange& rows,
                      FoldScratch& scratch) {
  std::vector<std::uint32_t> groups(rows.count);
  AddBlocks(spec, *batch, rows, scratch, groups.data());
  log_.Add(LoggedRows::Of(batch, rows, groups, groups_.size()));
}

void Slice::AddBlocks(const ViewSpec& spec, const arrow::RecordBatch& batch, const RowRange& rows, FoldScratch& scratch,
                      std::uint32_t* found) {
  const auto parts = found == nullptr ? PartInputs::Parts::kAll : PartInputs::Parts::kSmall;
  const auto keys = spec.KeyColumns(batch);
  const PartInputs inputs(*spec.layout, batch);
  scratch.finder.Start(keys, rows, groups_);
  for (std::size_t at = 0; at < rows.count; at += kBlockRows) {
    const std::size_t count = std::min(kBlockRows, rows.count - at);
    const RowRange block = rows.Part(at, count);
    const std::span<std::uint32_t> groups(found == nullptr ? scratch.groups.data() : found + at, count);
    const std::span<Record> records(scratch.records.data(), count);
    scratch.finder.Find(block, groups_, groups);
    groups_.RecordsToWrite(groups, records);
    for (const Record record : records) AddRows(record, 1);
    inputs.Update(block, records, scratch.block, groups_.heap(), parts);
  }
  rows_ += rows.count;
}

void Slice::MergeAll(const RecordLayout& layout, const Slice& other, MergeOp op) {
  // So few that both records of each are still in the first cache for the last part.
  constexpr std::uint32_t kBlockGroups = 128;
  std::array<Record, kBlockGroups> from;
  std::array<Record, kBlockGroups> to;
  std::vector<std::uint32_t> groups(other.groups_.size());  // of the other's, where they are here
  groups_.ExpectAll(other.groups_);
  for (std::uint32_t first = 0; first < groups.size(); first += kBlockGroups) {
    const auto block = std::span(groups).subspan(first, std::min<std::size_t>(kBlockGroups, groups.size() - first));
    groups_.FindOrAdd(other.groups_, first, block);
    groups_.RecordsToWrite(block, to);
    for (const Record record : std::span(to).first(block.size())) {
      __builtin_prefetch(record, 1);
      __builtin_prefetch(record + layout.width() - 1, 1);
    }
    for (std::size_t i = 0; i < block.size(); ++i) {
      from[i] = other.groups_.record(first + static_cast<std::uint32_t>(i));
      AddRows(to[i], RowsOf(from[i]));
    }
    for (const RecordLayout::Part& part : layout.parts()) {
      (*part.ops.*op)(std::span(from).first(block.size()), std::span(to).first(block.size()), groups_.heap());
    }
  }
  if (!other.log_.empty()) log_.AddAll(other.log_, groups);
  rows_ += other.rows_;
}

void Slice::Merge(const RecordLayout& layout, const Slice& other, std::span<const std::uint32_t> groups) {
  std::array<Record, kBlockRows> from;
  std::array<Record, kBlockRows> to;
  for (std::size_t at = 0; at < groups.size(); at += kBlockRows) {
    const auto block = groups.subspan(at, std::min(kBlockRows, groups.size() - at));
    other.groups_.RecordsOf(block, from);
    for (std::size_t i = 0; i < block.size(); ++i) {
      const std::string_view key = other.groups_.key(block[i]);
      if (!groups_.Find(key)) groups_.Add(key);
    }
    for (std::size_t i = 0; i < block.size(); ++i) {
      to[i] = groups_.RecordToWrite(*groups_.Find(other.groups_.key(block[i])));
      AddRows(to[i], RowsOf(from[i]));
      rows_ += RowsOf(from[i]);
    }
    for (const RecordLayout::Part& part : layout.parts()) {
      part.ops->Merge(std::span(from).first(block.size()), std::span(to).first(block.size()), groups_.heap());
    }
  }
}

void Slice::AddGroup(const RecordLayout& layout, std::string_view key, Record record) {
  if (!groups_.Find(key)) groups_.Add(key);
  const Record to = groups_.RecordToWrite(*groups_.Find(key));
  AddRows(to, RowsOf(record));
  rows_ += RowsOf(record);
  for (const RecordLayout::Part& part : layout.parts()) {
    part.ops->Merge(std::span(&record, 1), std::span(&to, 1), groups_.heap());
  }
}

void Slice::Subtract(const RecordLayout& layout, const Slice& other) {
  for (std::uint32_t group = 0; group < other.groups_.size(); ++group) {
    const auto found = groups_.Find(other.groups_.key(group));
    if (!found) continue;
    const Record from = other.groups_.record(group);
    const Record to = groups_.RecordToWrite(*found);
    AddRows(to, -RowsOf(from));
    rows_ -= RowsOf(from);
    for (const RecordLayout::Part& part : layout.parts()) part.ops->Subtract(std::span(&from, 1), std::span(&to, 1));
  }
}

bool Slice::has_empty_group() const {
  for (std::uint32_t group = 0; group < groups_.size(); ++group) {
    if (RowsOf(groups_.record(group)) == 0) return true;
  }
  return false;
}

std::shared_ptr<Slice> Slice::WithoutEmpty(const ViewSpec& spec) const {
  std::vector<std::uint32_t> groups;
  for (std::uint32_t group = 0; group < groups_.size(); ++group) {
    if (RowsOf(groups_.record(group)) != 0) groups.push_back(group);
  }
  auto slice = std::make_shared<Slice>(spec);
  slice->Merge(*spec.layout, *this, groups);
  return slice;
}

std::int64_t Slice::bytes() const { return static_cast<std::int64_t>(sizeof(Slice)) + groups_.bytes() + log_.bytes(); }

void Slice::Save(const RecordLayout& layout, StateWriter& writer) const {
  writer.Put(rows_);
  writer.Put(std::uint64_t{groups_.size()});
  const std::vector<Record> records = AllRecords(groups_);
  for (std::uint32_t group = 0; group < groups_.size(); ++group) {
    const std::string_view key = groups_.key(group);
    writer.Put(static_cast<std::uint32_t>(key.size()));
    writer.PutBytes(key);
  }
  for (const Record record : records) writer.Put(RowsOf(record));
  for (const RecordLayout::Part& part : layout.parts()) part.ops->Save(records, writer);
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
  const std::vector<Record> records = AllRecords(groups_);
  std::int64_t rows = 0;
  for (const Record record : records) {
    ARROW_ASSIGN_OR_RAISE(const auto of_group, reader.Take<std::int64_t>());
    if (of_group < 0 || of_group > std::min(rows_ - rows, static_cast<std::int64_t>(kRowsMask)))
      return arrow::Status::Invalid("View state: a group of impossible rows");
    AddRows(record, of_group);
    rows += of_group;
  }
  if (rows != rows_) return arrow::Status::Invalid("View state: rows that belong to no group");
  for (const RecordLayout::Part& part : spec.layout->parts()) {
    ARROW_RETURN_NOT_OK(part.ops->Load(reader, records, groups_.heap()));
  }
  return arrow::Status::OK();
}

namespace {

// A sample of this many rows tells whether grouping reduces a slice's rows.
constexpr std::size_t kSampleRows = 4096;
constexpr std::size_t kDeferRowsMin = 4 * kSampleRows;
// With more rows than these for each group, a sketch of the delta's own is filled outside the gate, and merging it
// costs less under the gate than they would.
constexpr std::int64_t kLoggedRowsOfGroup = 4096;

bool IsText(const arrow::DataType& type) {
  return arrow::is_string(type.id()) || type.id() == arrow::Type::STRING_VIEW;
}

bool IsBytes(const arrow::DataType& type) {
  return type.id() == arrow::Type::BINARY || type.id() == arrow::Type::LARGE_BINARY ||
         type.id() == arrow::Type::BINARY_VIEW;
}

Slice& SliceOf(const ViewSpec& spec, SliceKey key, SliceMap& slices) {
  auto at = LowerBound(slices, key);
  if (at == slices.end() || at->key != key) {
    at = slices.insert(at, SliceEntry{.key = key, .slice = std::make_shared<Slice>(spec)});
  }
  return *at->slice;
}

bool HardlyReduces(const ViewSpec& spec, const arrow::RecordBatch& batch, const RowRange& rows, FoldScratch& scratch) {
  Slice sample(spec);
  sample.Add(spec, batch, rows.Part(0, kSampleRows), scratch);
  return sample.group_count() > static_cast<std::int64_t>(kSampleRows / 2);
}

}  // namespace

bool FoldsAs(const arrow::DataType& expected, const arrow::DataType& actual) {
  if (expected.Equals(actual)) return true;
  if (expected.id() == arrow::Type::TIMESTAMP && actual.id() == arrow::Type::TIMESTAMP) {
    return static_cast<const arrow::TimestampType&>(expected).unit() ==
           static_cast<const arrow::TimestampType&>(actual).unit();
  }
  return (IsText(expected) && IsText(actual)) || (IsBytes(expected) && IsBytes(actual));
}

arrow::Status CheckBatch(const ViewSpec& spec, const arrow::RecordBatch& batch) {
  const arrow::Schema& expected = *spec.query->evaluated_schema;
  if (batch.num_columns() != expected.num_fields() || batch.num_rows() > std::numeric_limits<std::int32_t>::max()) {
    return arrow::Status::Invalid("View ", spec.query->view.ToString(), ": a batch of ", batch.num_columns(),
                                  " columns and ", batch.num_rows(), " rows was evaluated, ", expected.num_fields(),
                                  " columns are expected");
  }
  for (int column = 0; column < batch.num_columns(); ++column) {
    if (FoldsAs(*expected.field(column)->type(), *batch.column(column)->type())) continue;
    return arrow::Status::Invalid("View ", spec.query->view.ToString(), ": column ", expected.field(column)->name(),
                                  " was evaluated as ", batch.column(column)->type()->ToString(), ", expected ",
                                  expected.field(column)->type()->ToString());
  }
  return arrow::Status::OK();
}

arrow::Status AddBatch(const ViewSpec& spec, const std::shared_ptr<arrow::RecordBatch>& batch, bool may_defer,
                       FoldScratch& scratch, Folded& folded) {
  ARROW_RETURN_NOT_OK(CheckBatch(spec, *batch));
  ARROW_ASSIGN_OR_RAISE(const SliceRows rows, SliceRows::Make(spec, *batch));
  for (const SliceRows::Part& part : rows.parts()) {
    if (spec.in_order ||
        (may_defer && part.range.count >= kDeferRowsMin && HardlyReduces(spec, *batch, part.range, scratch))) {
      folded.raw.push_back({.key = part.key,
                            .batch = batch,
                            .rows = part.range,
                            .list = rows.list(),
                            .range = scratch.finder.RangeOf(spec.KeyColumns(*batch), part.range)});
    } else if (may_defer && spec.layout->has_large()) {
      SliceOf(spec, part.key, folded.slices).AddLogged(spec, batch, part.range, scratch);
    } else {
      SliceOf(spec, part.key, folded.slices).Add(spec, *batch, part.range, scratch);
    }
  }
  for (const SliceEntry& entry : folded.slices) {
    entry.slice->Settle();
    const bool has_few_groups = entry.slice->log().rows() > kLoggedRowsOfGroup * entry.slice->group_count();
    if (!may_defer || has_few_groups) entry.slice->TakeLogged(*spec.layout);
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
