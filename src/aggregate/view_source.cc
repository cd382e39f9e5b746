#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/view_state.h"
#include "aggregate/view_version_internal.h"
#include "arrow/array/array_base.h"
#include "arrow/array/util.h"
#include "arrow/record_batch.h"
#include "arrow/scalar.h"
#include "arrow/type.h"

namespace hyprstream::aggregate {
namespace {

constexpr std::int64_t kBatchRowsMax = 65'536;

// Filters as slices and groups are tested by them.
struct ScanPlan {
  struct WindowBound {
    ColumnFilter::Op op;
    std::int64_t start;
  };
  struct KeyEquals {
    int column;         // in the codec
    std::string value;  // as KeyCodec::Value gives it
  };
  std::vector<WindowBound> bounds;
  std::vector<KeyEquals> equals;
  std::string look_up;           // the one row key, when has_look_up
  bool has_look_up = false;      // every key but the window is given
  bool matches_nothing = false;  // compared with NULL

  bool MatchesWindow(SliceKey key) const {
    return std::ranges::all_of(bounds, [key](const WindowBound& bound) {
      if (key.is_null) return false;
      switch (bound.op) {
        case ColumnFilter::Op::kEqual:
          return key.start == bound.start;
        case ColumnFilter::Op::kLess:
          return key.start < bound.start;
        case ColumnFilter::Op::kLessEqual:
          return key.start <= bound.start;
        case ColumnFilter::Op::kGreater:
          return key.start > bound.start;
        case ColumnFilter::Op::kGreaterEqual:
          return key.start >= bound.start;
      }
      return true;
    });
  }
  bool MatchesGroup(const ViewSpec& spec, std::string_view row) const {
    return std::ranges::all_of(equals, [&](const KeyEquals& equal) {
      return KeyCodec::IsPresent(equal.column, row) && spec.codec.Value(equal.column, row) == equal.value;
    });
  }
};

// One row key whose given keys are the scalars, the others NULL.
arrow::Result<std::string> EncodeOne(const ViewSpec& spec, const std::vector<std::shared_ptr<arrow::Scalar>>& scalars) {
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (std::size_t i = 0; i < scalars.size(); ++i) {
    if (scalars[i] == nullptr) {
      ARROW_ASSIGN_OR_RAISE(auto nulls, arrow::MakeArrayOfNull(spec.EvaluatedType(spec.group_keys[i]), 1));
      columns.push_back(std::move(nulls));
    } else {
      ARROW_ASSIGN_OR_RAISE(auto values, arrow::MakeArrayFromScalar(*scalars[i], 1));
      columns.push_back(std::move(values));
    }
  }
  RowKeys keys(spec.codec.width());
  spec.codec.Encode(columns, {.first = 0, .count = 1}, keys);
  return std::string(keys.Row(0));
}

arrow::Status AddWindowBound(const ViewSpec& spec, const ColumnFilter& filter, ScanPlan& plan) {
  ARROW_ASSIGN_OR_RAISE(const auto values, arrow::MakeArrayFromScalar(*filter.value, 1));
  plan.bounds.push_back({.op = filter.op, .start = spec.WindowsOf(*values).front().start});
  return arrow::Status::OK();
}

arrow::Result<ScanPlan> MakePlan(const ViewSpec& spec, const std::vector<ColumnFilter>& filters) {
  ScanPlan plan;
  std::vector<std::shared_ptr<arrow::Scalar>> given(static_cast<std::size_t>(spec.codec.column_count()));
  for (const ColumnFilter& filter : filters) {
    if (filter.column < 0 || filter.column >= static_cast<int>(spec.query->output.size())) {
      return arrow::Status::Invalid("View ", spec.query->view.ToString(), ": a filter on column ", filter.column);
    }
    const OutputColumn& column = spec.query->output[static_cast<std::size_t>(filter.column)];
    if (!column.is_key || !filter.value->type->Equals(*spec.EvaluatedType(column.index))) continue;
    if (!filter.value->is_valid) {
      plan.matches_nothing = true;
    } else if (column.index == spec.query->window_key) {
      ARROW_RETURN_NOT_OK(AddWindowBound(spec, filter, plan));
    } else if (filter.op == ColumnFilter::Op::kEqual) {
      const int codec_column = spec.codec_columns[static_cast<std::size_t>(column.index)];
      std::vector<std::shared_ptr<arrow::Scalar>> alone(given.size());
      alone[static_cast<std::size_t>(codec_column)] = filter.value;
      given[static_cast<std::size_t>(codec_column)] = filter.value;
      ARROW_ASSIGN_OR_RAISE(const std::string row, EncodeOne(spec, alone));
      plan.equals.push_back({.column = codec_column, .value = std::string(spec.codec.Value(codec_column, row))});
    }
  }
  plan.has_look_up = !given.empty() && std::ranges::none_of(given, [](const auto& key) { return key == nullptr; });
  if (plan.has_look_up) {
    ARROW_ASSIGN_OR_RAISE(plan.look_up, EncodeOne(spec, given));
  }
  return plan;
}

// Streams the chosen groups, several slices to a batch where they are small.
class ViewReader final : public arrow::RecordBatchReader {
 public:
  ViewReader(std::shared_ptr<const ViewVersion> version, std::shared_ptr<arrow::Schema> schema,
             std::vector<int> projection, ScanPlan plan)
      : version_(std::move(version)),
        schema_(std::move(schema)),
        projection_(std::move(projection)),
        plan_(std::move(plan)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    batch->reset();
    std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders;
    for (const auto& field : schema_->fields()) {
      ARROW_ASSIGN_OR_RAISE(auto builder, MakePhysicalBuilder(field->type()));
      builders.push_back(std::move(builder));
    }
    std::int64_t rows = 0;
    while (rows < kBatchRowsMax && FindGroups()) {
      const std::size_t take = std::min(groups_.size() - next_group_, static_cast<std::size_t>(kBatchRowsMax - rows));
      ARROW_RETURN_NOT_OK(Append(std::span(groups_).subspan(next_group_, take), builders));
      next_group_ += take;
      rows += static_cast<std::int64_t>(take);
    }
    if (rows == 0) return arrow::Status::OK();
    std::vector<std::shared_ptr<arrow::Array>> columns;
    for (std::size_t i = 0; i < builders.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(auto column, FinishAs(schema_->field(static_cast<int>(i))->type(), *builders[i]));
      columns.push_back(std::move(column));
    }
    *batch = arrow::RecordBatch::Make(schema_, rows, std::move(columns));
    return arrow::Status::OK();
  }

 private:
  // Makes groups_[next_group_...] what is next to read, of slice_; false at the end.
  bool FindGroups() {
    while (next_group_ == groups_.size()) {
      const SliceMap& slices = version_->slices();
      if (plan_.matches_nothing || next_slice_ == slices.size()) return false;
      slice_ = &slices[next_slice_++];
      next_group_ = 0;
      groups_.clear();
      if (plan_.MatchesWindow(slice_->key)) ChooseGroups(slice_->slice->groups());
    }
    return true;
  }

  void ChooseGroups(const GroupTable& table) {
    if (plan_.has_look_up) {
      const std::optional<std::uint32_t> group = table.Find(plan_.look_up);
      if (group) groups_.push_back(*group);
    } else {
      groups_.resize(table.size());
      std::iota(groups_.begin(), groups_.end(), 0U);
    }
    if (plan_.equals.empty()) return;
    std::erase_if(groups_,
                  [&](std::uint32_t group) { return !plan_.MatchesGroup(version_->spec(), table.key(group)); });
  }

  arrow::Status Append(std::span<const std::uint32_t> groups,
                       std::vector<std::unique_ptr<arrow::ArrayBuilder>>& builders) const {
    for (std::size_t i = 0; i < builders.size(); ++i) {
      ARROW_RETURN_NOT_OK(AppendColumn(projection_[i], groups, *builders[i]));
    }
    return arrow::Status::OK();
  }

  arrow::Status AppendColumn(int output, std::span<const std::uint32_t> groups, arrow::ArrayBuilder& builder) const {
    const ViewSpec& spec = version_->spec();
    const OutputColumn& column = spec.query->output[static_cast<std::size_t>(output)];
    if (column.is_key && column.index == spec.query->window_key) return AppendWindow(groups.size(), builder);
    const GroupTable& table = slice_->slice->groups();
    std::array<Record, kBlockRows> records;
    std::array<std::string_view, kBlockRows> keys;
    for (std::size_t at = 0; at < groups.size(); at += kBlockRows) {
      const auto block = groups.subspan(at, std::min(kBlockRows, groups.size() - at));
      if (column.is_key) {
        for (std::size_t i = 0; i < block.size(); ++i) keys[i] = table.key(block[i]);
        const int codec_column = spec.codec_columns[static_cast<std::size_t>(column.index)];
        ARROW_RETURN_NOT_OK(spec.codec.Decode(codec_column, std::span(keys).first(block.size()), builder));
      } else {
        table.RecordsOf(block, records);
        ARROW_RETURN_NOT_OK(AppendAggregate(column, std::span(records).first(block.size()), builder));
      }
    }
    return arrow::Status::OK();
  }

  arrow::Status AppendAggregate(const OutputColumn& column, std::span<const Record> records,
                                arrow::ArrayBuilder& builder) const {
    const ViewSpec& spec = version_->spec();
    const auto aggregate = static_cast<std::size_t>(column.index);
    const StateOps* ops = spec.layout->ops(aggregate);
    if (ops == nullptr) {
      return WithBuilder<std::int64_t>(builder, [&](auto append) {
        for (const Record record : records) ARROW_RETURN_NOT_OK(append(RowsOf(record)));
        return arrow::Status::OK();
      });
    }
    const arrow::Status status = ops->Read(spec.query->aggregates[aggregate], records, builder);
    if (status.ok()) return status;
    return status.WithMessage("View ", spec.query->view.ToString(), ", column ", column.name, ": ", status.message());
  }

  arrow::Status AppendWindow(std::size_t rows, arrow::ArrayBuilder& builder) const {
    const ViewSpec& spec = version_->spec();
    if (slice_->key.is_null) return builder.AppendNulls(static_cast<std::int64_t>(rows));
    return WithPhysical(*spec.window, [&]<class V>(std::type_identity<V>) {
      return WithBuilder<V>(builder, [&](auto append) {
        if constexpr (std::is_integral_v<V>) {
          for (std::size_t i = 0; i < rows; ++i) {
            ARROW_RETURN_NOT_OK(append(static_cast<V>(slice_->key.start)));
          }
        }
        return arrow::Status::OK();
      });
    });
  }

  const std::shared_ptr<const ViewVersion> version_;
  const std::shared_ptr<arrow::Schema> schema_;
  const std::vector<int> projection_;
  const ScanPlan plan_;
  std::size_t next_slice_ = 0;
  const SliceEntry* slice_ = nullptr;  // that groups_ are of
  std::vector<std::uint32_t> groups_;
  std::size_t next_group_ = 0;
};

class ViewSource final : public TableSource {
 public:
  explicit ViewSource(std::shared_ptr<const ViewVersion> version) : version_(std::move(version)) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return version_->spec().query->output_schema; }

  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const ScanRequest& request) const override {
    const ViewSpec& spec = version_->spec();
    arrow::FieldVector fields;
    for (const int column : request.projection) {
      if (column < 0 || column >= schema()->num_fields()) {
        return arrow::Status::Invalid("View ", spec.query->view.ToString(), ": it has no column ", column);
      }
      fields.push_back(schema()->field(column));
    }
    ARROW_ASSIGN_OR_RAISE(ScanPlan plan, MakePlan(spec, request.filters));
    return std::make_shared<ViewReader>(version_, arrow::schema(std::move(fields)), request.projection,
                                        std::move(plan));
  }

  std::optional<std::int64_t> EstimatedRows() const override { return version_->group_count(); }

 private:
  const std::shared_ptr<const ViewVersion> version_;
};

}  // namespace

std::shared_ptr<TableSource> MakeViewSource(std::shared_ptr<const ViewVersion> version) {
  return std::make_shared<ViewSource>(std::move(version));
}

}  // namespace hyprstream::aggregate
