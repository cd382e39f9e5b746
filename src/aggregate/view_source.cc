#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/mergeable_state_internal.h"
#include "aggregate/output_columns_internal.h"
#include "aggregate/scan_plan_internal.h"
#include "aggregate/session_view_internal.h"
#include "aggregate/view_state.h"
#include "aggregate/view_version_internal.h"
#include "aggregate/window_pieces_internal.h"
#include "arrow/array/array_base.h"
#include "arrow/record_batch.h"
#include "arrow/scalar.h"
#include "arrow/type.h"

namespace hyprstream::aggregate {
namespace {

// Streams the chosen groups, several slices to a batch where they are small.
class ViewReader final : public arrow::RecordBatchReader {
 public:
  ViewReader(std::shared_ptr<const ViewVersion> version, std::shared_ptr<arrow::Schema> schema,
             std::vector<int> projection, ScanPlan plan, std::shared_ptr<ScanVisits> visits)
      : version_(std::move(version)),
        schema_(std::move(schema)),
        projection_(std::move(projection)),
        visits_(std::move(visits)),
        plan_(std::move(plan)),
        pieces_(*version_, plan_) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    batch->reset();
    ARROW_ASSIGN_OR_RAISE(OutputBatch output, OutputBatch::Make(schema_));
    std::int64_t rows = 0;
    while (rows < kBatchRowsMax && FindGroups()) {
      const std::size_t take = std::min(groups_.size() - next_group_, static_cast<std::size_t>(kBatchRowsMax - rows));
      ARROW_RETURN_NOT_OK(Append(std::span(groups_).subspan(next_group_, take), output));
      next_group_ += take;
      rows += static_cast<std::int64_t>(take);
    }
    if (rows == 0) return arrow::Status::OK();
    return output.Finish(rows).Value(batch);
  }

 private:
  // Makes groups_[next_group_...] what is next to read, of piece_; false at the end.
  bool FindGroups() {
    while (next_group_ == groups_.size()) {
      piece_ = pieces_.Next();
      if (!piece_) return false;
      next_group_ = 0;
      groups_ = plan_.GroupsOf(version_->spec(), piece_->slice->groups());
    }
    return true;
  }

  // Block by block, so that the records are in the cache for every column but the first.
  arrow::Status Append(std::span<const std::uint32_t> groups, OutputBatch& output) const {
    const auto rows = static_cast<std::int64_t>(groups.size());
    for (std::size_t i = 0; i < output.size(); ++i) ARROW_RETURN_NOT_OK(output.column(i).Reserve(rows));
    for (std::size_t at = 0; at < groups.size(); at += kBlockRows) {
      const auto block = groups.subspan(at, std::min(kBlockRows, groups.size() - at));
      for (std::size_t i = 0; i < output.size(); ++i) {
        ARROW_RETURN_NOT_OK(AppendColumn(ScannedColumnOf(version_->spec(), projection_[i]), block, output.column(i)));
      }
    }
    return arrow::Status::OK();
  }

  arrow::Status AppendColumn(const ScannedColumn& scanned, std::span<const std::uint32_t> block,
                             arrow::ArrayBuilder& builder) const {
    const ViewSpec& spec = version_->spec();
    const OutputColumn& column = *scanned.column;
    if (column.is_key && column.index == spec.query->window_key) return AppendWindow(column, block.size(), builder);
    const GroupTable& table = piece_->slice->groups();
    if (column.is_key) {
      std::array<std::string_view, kBlockRows> keys;
      for (std::size_t i = 0; i < block.size(); ++i) keys[i] = table.key(block[i]);
      const int codec_column = spec.codec_columns[static_cast<std::size_t>(column.index)];
      return spec.codec.Decode(codec_column, std::span(keys).first(block.size()), builder);
    }
    std::array<Record, kBlockRows> records;
    table.RecordsOf(block, records);
    return AppendResults(spec, scanned, std::span<const Record>(records).first(block.size()), builder);
  }

  arrow::Status AppendWindow(const OutputColumn& column, std::size_t rows, arrow::ArrayBuilder& builder) const {
    const ViewSpec& spec = version_->spec();
    if (piece_->window.is_null) return builder.AppendNulls(static_cast<std::int64_t>(rows));
    std::int64_t time = 0;
    if (__builtin_add_overflow(piece_->window.start, column.after_start, &time)) {
      return arrow::Status::Invalid("View ", spec.query->view.ToString(), ", column ", column.name, ": the window of ",
                                    spec.WindowText(piece_->window), " ends beyond the last time");
    }
    return WithPhysical(*spec.window, [&]<class V>(std::type_identity<V>) {
      return WithRoom<V>(builder, rows, [&](auto append) {
        if constexpr (std::is_integral_v<V>) {
          for (std::size_t i = 0; i < rows; ++i) ARROW_RETURN_NOT_OK(append(static_cast<V>(time)));
        }
        return arrow::Status::OK();
      });
    });
  }

  const std::shared_ptr<const ViewVersion> version_;
  const std::shared_ptr<arrow::Schema> schema_;
  const std::vector<int> projection_;
  const std::shared_ptr<ScanVisits> visits_;  // that plan_ counts in
  const ScanPlan plan_;
  WindowPieces pieces_;
  std::optional<WindowPiece> piece_;  // that groups_ are of
  std::vector<std::uint32_t> groups_;
  std::size_t next_group_ = 0;
};

class ViewSource final : public TableSource {
 public:
  ViewSource(std::shared_ptr<const ViewVersion> version, std::shared_ptr<ScanVisits> visits)
      : version_(std::move(version)), visits_(std::move(visits)) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return version_->spec().query->output_schema; }

  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const ScanRequest& request) const override {
    const ViewSpec& spec = version_->spec();
    arrow::FieldVector fields;
    for (const int column : request.projection) {
      const int columns = schema()->num_fields();
      if (column >= columns && StatesOf(column - columns) != nullptr) {
        fields.push_back(arrow::field(schema()->field(column - columns)->name(), arrow::binary()));
        continue;
      }
      if (column < 0 || column >= columns) {
        return arrow::Status::Invalid("View ", spec.query->view.ToString(), ": it has no column ", column);
      }
      fields.push_back(schema()->field(column));
    }
    ARROW_ASSIGN_OR_RAISE(ScanPlan plan, MakeScanPlan(spec, request.filters));
    plan.visits = visits_.get();
    if (auto sessions = std::dynamic_pointer_cast<const SessionVersion>(version_)) {
      return MakeSessionReader(
          std::move(sessions),
          {.schema = arrow::schema(std::move(fields)), .projection = request.projection, .plan = std::move(plan)},
          visits_);
    }
    return std::make_shared<ViewReader>(version_, arrow::schema(std::move(fields)), request.projection, std::move(plan),
                                        visits_);
  }

  std::shared_ptr<const MergeableState> StatesOf(int column) const override {
    const auto& query = version_->spec().query;
    if (column < 0 || column >= static_cast<int>(query->output.size())) return nullptr;
    const OutputColumn& output = query->output[static_cast<std::size_t>(column)];
    if (output.is_key) return nullptr;
    return MakeMergeableState(query, static_cast<std::size_t>(output.index));
  }

  bool FindsOne(const std::vector<ColumnFilter>& filters) const override {
    const auto given = KeysGiven(filters);
    const int keys = version_->spec().query->key_count();
    return given && static_cast<int>(given->size()) == keys && keys > 0;
  }

  // A window is found by its slice; groups of some keys are looked for among all.
  bool FindsExactly(const std::vector<ColumnFilter>& filters) const override {
    if (filters.empty()) return true;
    const auto given = KeysGiven(filters);
    const bool is_window = given && given->size() == 1 && given->contains(version_->spec().query->window_key);
    return is_window || FindsOne(filters);
  }

  std::optional<Bounds> BoundsOf(int column) const override {
    const AggregateQuery& query = *version_->spec().query;
    if (query.session_gap || query.hopping || column < 0 || column >= schema()->num_fields()) return std::nullopt;
    const OutputColumn& output = query.output[static_cast<std::size_t>(column)];
    if (!output.is_key || output.index != query.window_key) return std::nullopt;
    Bounds bounds;
    const auto has_rows = [](const SliceEntry& entry) { return !entry.key.is_null && entry.slice->group_count() > 0; };
    const SliceMap& slices = version_->slices();
    const auto first = std::ranges::find_if(slices, has_rows);
    if (first == slices.end()) return bounds;
    const auto last = std::ranges::find_if(slices.rbegin(), slices.rend(), has_rows);
    std::int64_t least = 0;
    std::int64_t greatest = 0;
    if (__builtin_add_overflow(first->key.start, output.after_start, &least) ||
        __builtin_add_overflow(last->key.start, output.after_start, &greatest)) {
      return std::nullopt;
    }
    return Bounds{.least = least, .greatest = greatest};
  }

  bool has_states_by_row() const override {
    const auto& query = *version_->spec().query;
    return !query.hopping && !query.session_gap;
  }

  std::optional<std::int64_t> EstimatedRows() const override {
    const auto& hopping = version_->spec().query->hopping;
    return version_->group_count() * (hopping ? hopping->overlap() : 1);
  }

 private:
  // The keys that conditions give, each by its very value; nullopt: some condition is another.
  std::optional<std::set<int>> KeysGiven(const std::vector<ColumnFilter>& filters) const {
    const ViewSpec& spec = version_->spec();
    const AggregateQuery& query = *spec.query;
    if (query.session_gap || query.hopping) return std::nullopt;
    std::set<int> given;
    for (const ColumnFilter& filter : filters) {
      const OutputColumn& column = query.output.at(static_cast<std::size_t>(filter.column));
      const bool is_exact = column.is_key && column.after_start == 0 && filter.op == ColumnFilter::Op::kEqual &&
                            filter.value != nullptr && filter.value->type->Equals(*spec.EvaluatedType(column.index));
      if (!is_exact) return std::nullopt;
      given.insert(column.index);
    }
    return given;
  }

  const std::shared_ptr<const ViewVersion> version_;
  const std::shared_ptr<ScanVisits> visits_;
};

}  // namespace

std::shared_ptr<TableSource> MakeViewSource(std::shared_ptr<const ViewVersion> version,
                                            std::shared_ptr<ScanVisits> visits) {
  return std::make_shared<ViewSource>(std::move(version), std::move(visits));
}

}  // namespace hyprstream::aggregate
