// Reading sessions; see session_view_internal.h.
#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregate/output_columns_internal.h"
#include "aggregate/session_view_internal.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"

namespace hyprstream::aggregate {
namespace {

class SessionReader final : public arrow::RecordBatchReader {
 public:
  SessionReader(std::shared_ptr<const SessionVersion> version, SessionScan scan, std::shared_ptr<ScanVisits> visits)
      : version_(std::move(version)), scan_(std::move(scan)), visits_(std::move(visits)) {
    for (const int column : scan_.projection) columns_.push_back(ScannedColumnOf(version_->spec(), column));
  }

  std::shared_ptr<arrow::Schema> schema() const override { return scan_.schema; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    batch->reset();
    ARROW_ASSIGN_OR_RAISE(OutputBatch output, OutputBatch::Make(scan_.schema));
    std::int64_t rows = 0;
    while (rows + static_cast<std::int64_t>(kBlockRows) <= kBatchRowsMax) {
      ARROW_ASSIGN_OR_RAISE(const bool found, FindShown());
      if (!found) break;
      for (std::size_t i = 0; i < columns_.size(); ++i) ARROW_RETURN_NOT_OK(Append(columns_[i], output.column(i)));
      rows += static_cast<std::int64_t>(records_.size());
    }
    if (rows == 0) return arrow::Status::OK();
    return output.Finish(rows).Value(batch);
  }

 private:
  // The next sessions that match and have rows that WHERE takes, at most kBlockRows; false at the end.
  arrow::Result<bool> FindShown() {
    const int count = version_->spec().query->shown_count;
    while (FindBlock()) {
      if (count < 0) return true;
      ARROW_RETURN_NOT_OK(LeaveOutEmpty(static_cast<std::size_t>(count)));
      if (!records_.empty()) return true;
    }
    return false;
  }

  arrow::Status LeaveOutEmpty(std::size_t count) {
    const ViewSpec& spec = version_->spec();
    arrow::Int64Builder builder;
    ARROW_RETURN_NOT_OK(spec.layout->ops(count)->Read(spec.query->aggregates[count], records_, builder));
    std::size_t kept = 0;
    for (std::size_t i = 0; i < records_.size(); ++i) {
      if (builder.GetValue(static_cast<std::int64_t>(i)) == 0) continue;
      keys_[kept] = keys_[i];
      firsts_[kept] = firsts_[i];
      lasts_[kept] = lasts_[i];
      records_[kept++] = records_[i];
    }
    keys_.resize(kept);
    firsts_.resize(kept);
    lasts_.resize(kept);
    records_.resize(kept);
    return arrow::Status::OK();
  }

  // The next sessions that match, at most kBlockRows; false at the end.
  bool FindBlock() {
    keys_.clear();
    firsts_.clear();
    lasts_.clear();
    records_.clear();
    if (scan_.plan.matches_nothing) return false;
    while (records_.size() < kBlockRows) {
      while (next_group_ == groups_.size()) {
        if (!FindSegment()) return !records_.empty();
      }
      TakeSessions();
    }
    return true;
  }

  bool FindSegment() {
    const SegmentMap& segments = version_->segments();
    groups_.clear();
    next_group_ = 0;
    next_session_ = 0;
    table_ = nullptr;
    while (next_segment_ < segments.size()) {
      const SegmentEntry& entry = segments[next_segment_++];
      if (!MayMatch(entry)) continue;
      table_ = entry.table.get();
      if (visits_ != nullptr) ++visits_->slices;
      groups_ = scan_.plan.GroupsOf(version_->spec(), table_->keys());
      return true;
    }
    return false;
  }

  bool MayMatch(const SegmentEntry& entry) const {
    if (entry.table->session_count() == 0) return false;
    const WindowRange& lasts = scan_.plan.session_lasts;
    if (entry.table->greatest_last() < lasts.least || entry.table->least_last() > lasts.greatest) return false;
    const SessionSpec& spec = version_->sessions();
    const WindowRange& firsts = scan_.plan.windows;
    return firsts.least <= firsts.greatest && SegmentOf(spec, firsts.least) <= entry.number &&
           entry.number <= SegmentOf(spec, firsts.greatest);
  }

  // Of the group at hand, as many as there is room for.
  void TakeSessions() {
    const std::uint32_t group = groups_[next_group_];
    const auto sessions = table_->Of(group);
    for (; next_session_ < sessions.size() && records_.size() < kBlockRows; ++next_session_) {
      const Session& session = sessions[next_session_];
      if (!scan_.plan.windows.Matches({.start = session.first})) continue;
      if (!scan_.plan.session_lasts.Matches({.start = session.last})) continue;
      keys_.push_back(table_->keys().key(group));
      firsts_.push_back(session.first);
      lasts_.push_back(session.last);
      records_.push_back(session.record);
    }
    if (next_session_ < sessions.size()) return;
    ++next_group_;
    next_session_ = 0;
  }

  arrow::Status Append(const ScannedColumn& scanned, arrow::ArrayBuilder& builder) const {
    const ViewSpec& spec = version_->spec();
    const OutputColumn& column = *scanned.column;
    if (!column.is_key) return AppendResults(spec, scanned, records_, builder);
    if (column.index != spec.query->window_key) {
      return spec.codec.Decode(spec.codec_columns[static_cast<std::size_t>(column.index)], keys_, builder);
    }
    const std::vector<std::int64_t>& times = column.after_start == 0 ? firsts_ : lasts_;
    return WithBuilder<std::int64_t>(builder, [&](auto append) {
      for (const std::int64_t time : times) ARROW_RETURN_NOT_OK(append(time + column.after_start));
      return arrow::Status::OK();
    });
  }

  const std::shared_ptr<const SessionVersion> version_;
  const SessionScan scan_;
  const std::shared_ptr<ScanVisits> visits_;
  std::vector<ScannedColumn> columns_;

  std::size_t next_segment_ = 0;
  const SessionTable* table_ = nullptr;  // that groups_ are of
  std::vector<std::uint32_t> groups_;
  std::size_t next_group_ = 0;
  std::size_t next_session_ = 0;  // of groups_[next_group_]

  // The block at hand.
  std::vector<std::string_view> keys_;
  std::vector<std::int64_t> firsts_;
  std::vector<std::int64_t> lasts_;
  std::vector<Record> records_;
};

}  // namespace

std::shared_ptr<arrow::RecordBatchReader> MakeSessionReader(std::shared_ptr<const SessionVersion> version,
                                                            SessionScan scan, std::shared_ptr<ScanVisits> visits) {
  return std::make_shared<SessionReader>(std::move(version), std::move(scan), std::move(visits));
}

}  // namespace hyprstream::aggregate
