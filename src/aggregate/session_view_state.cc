// The states of a view over sessions; see session_view_internal.h and, for the contract, view_state.h.
#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/session_format_internal.h"
#include "aggregate/session_rows_internal.h"
#include "aggregate/session_view_internal.h"
#include "arrow/array/array_base.h"
#include "arrow/buffer.h"
#include "arrow/record_batch.h"
#include "base/mutex.h"

namespace hyprstream::aggregate {
namespace {

class SessionDelta final : public Delta {
 public:
  explicit SessionDelta(std::shared_ptr<const SessionTable> table, SessionRowLists row_lists = {})
      : table_(std::move(table)), row_lists_(std::move(row_lists)) {}

  std::int64_t rows() const override { return table_->row_count(); }
  std::int64_t groups() const override { return table_->session_count(); }
  std::int64_t bytes() const override { return table_->bytes() + row_lists_.bytes(); }
  std::vector<WindowRows> Windows() const override { return {}; }
  const SessionTable& table() const { return *table_; }
  // Where states learn from rows in their order; empty: only what they have become is there.
  const SessionRowLists& row_lists() const { return row_lists_; }

 private:
  const std::shared_ptr<const SessionTable> table_;
  const SessionRowLists row_lists_;
};

const SessionTable& TableOf(const Delta& delta) { return static_cast<const SessionDelta&>(delta).table(); }

class SessionDeltaBuilder final : public DeltaBuilder {
 public:
  explicit SessionDeltaBuilder(std::shared_ptr<const SessionSpec> spec)
      : spec_(std::move(spec)), table_(std::make_shared<SessionTable>(spec_)) {}

  arrow::Status Add(const std::shared_ptr<arrow::RecordBatch>& evaluated) override {
    ARROW_RETURN_NOT_OK(CheckBatch(*spec_->view, *evaluated));
    ARROW_RETURN_NOT_OK(table_->Add(*evaluated, *scratch_));
    if (spec_->view->in_order) row_lists_.Add(evaluated);
    return CheckExactBytes(*spec_->view->query, *spec_->view->layout);
  }
  std::int64_t bytes() const override { return table_->bytes() + row_lists_.bytes(); }
  std::unique_ptr<Delta> Finish() override {
    if (!row_lists_.empty()) row_lists_.Sort(*spec_, *table_);
    return std::make_unique<SessionDelta>(std::exchange(table_, std::make_shared<SessionTable>(spec_)),
                                          std::exchange(row_lists_, {}));
  }

 private:
  const std::shared_ptr<const SessionSpec> spec_;
  const std::unique_ptr<FoldScratch> scratch_ = std::make_unique<FoldScratch>(*spec_->view);
  std::shared_ptr<SessionTable> table_;
  SessionRowLists row_lists_;
};

class SessionViewState final : public ViewState {
 public:
  explicit SessionViewState(std::shared_ptr<const SessionSpec> spec) : spec_(std::move(spec)) {}

  const AggregateQuery& query() const override { return *spec_->view->query; }

  arrow::Result<std::unique_ptr<Delta>> Fold(
      const std::vector<std::shared_ptr<arrow::RecordBatch>>& evaluated) const override {
    const auto builder = BuildDelta();
    for (const auto& batch : evaluated) ARROW_RETURN_NOT_OK(builder->Add(batch));
    return builder->Finish();
  }
  std::unique_ptr<DeltaBuilder> BuildDelta() const override { return std::make_unique<SessionDeltaBuilder>(spec_); }

  using ViewState::Merge;
  void Merge(const Delta& delta, const std::set<WindowStart>& without) override EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    SegmentMap& segments = WritableMap();
    SegmentWriter writer = Writer(segments);
    AddAll(delta, without, writer);
    Changed();
  }

  ViewStats DropOldest(const std::function<Expiry(WindowStart)>& expired, const WindowsGone&) override
      EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const auto is_gone = [&](std::int64_t last) { return expired({.start = last + spec_->gap}) == Expiry::kExpired; };
    const auto has_gone = [&](const SegmentEntry& entry) {
      return entry.table->session_count() > 0 && is_gone(entry.table->least_last());
    };
    if (std::ranges::none_of(*segments_, has_gone)) return {};
    const ViewStats before = stats_;
    SegmentMap& segments = WritableMap();
    for (SegmentEntry& entry : segments) {
      if (!has_gone(entry)) continue;
      if (is_gone(entry.table->greatest_last())) {
        entry.table = std::make_shared<SessionTable>(spec_);
        entry.created = generation_;
      } else {
        WritableTable(entry).RemoveIf([&](const Session& session) { return is_gone(session.last); });
      }
    }
    std::erase_if(segments, [](const SegmentEntry& entry) { return entry.table->session_count() == 0; });
    Changed();
    return {.windows = before.windows - stats_.windows,
            .groups = before.groups - stats_.groups,
            .rows = before.rows - stats_.rows,
            .bytes = std::max<std::int64_t>(0, before.bytes - stats_.bytes)};
  }

  // What a delta's sessions become together with those that they meet, and with one another through these.
  std::vector<SessionRows> SessionsOf(const Delta& delta) const override EXCLUDES(mutex_) {
    const SessionTable& table = TableOf(delta);
    const MutexLock lock(mutex_);
    const SegmentMap& segments = *segments_;
    std::vector<SessionRows> placed;
    placed.reserve(static_cast<std::size_t>(table.session_count()));
    std::size_t joined = 0;  // the first of those that are one session so far
    std::uint32_t last_key = 0;
    ForEachSession(table, [&](std::uint32_t key, const Session& session) {
      Session whole = session;
      bool starts_there = false;  // what it meets begins as early
      for (const MetSession& met : FindMet(*spec_, segments, table.keys().key(key), session)) {
        const Session& other = segments[met.segment].table->Of(met.key)[met.place];
        starts_there |= other.first <= session.first;
        whole.first = std::min(whole.first, other.first);
        whole.last = std::max(whole.last, other.last);
      }
      const std::int64_t end = whole.last + spec_->gap;
      if (placed.empty() || key != last_key || whole.first >= placed.back().end) joined = placed.size();
      last_key = key;
      placed.push_back({.first = whole.first,
                        .end = end,
                        .rows = RowsOf(session.record),
                        .is_first = whole.first == session.first && !starts_there});
      for (std::size_t i = joined; i < placed.size(); ++i) {
        placed[i].first = placed[joined].first;
        placed[i].end = std::max(placed[joined].end, end);
      }
    });
    return placed;
  }

  std::int64_t GrowthBound(const Delta& delta) const override {
    const SessionTable& table = TableOf(delta);
    // Each session may be the first of a segment of its own.
    const auto each = static_cast<std::int64_t>(sizeof(SegmentEntry) + sizeof(SessionTable));
    return table.session_count() * each + 2 * table.bytes();
  }

  arrow::Status Replace(const std::shared_ptr<arrow::RecordBatch>& windows, const Delta& delta) override
      EXCLUDES(mutex_) {
    if (spec_->view->group_keys.empty()) {
      ReplaceAll(delta);
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const std::set<std::string> keys, KeysOf(windows));
    const SessionTable& table = TableOf(delta);
    for (std::uint32_t key = 0; key < table.keys().size(); ++key) {
      if (table.Of(key).empty() || keys.contains(std::string(table.keys().key(key)))) continue;
      return arrow::Status::Invalid("View ", query().view.ToString(),
                                    ": a key was recomputed but is not to be replaced");
    }
    const MutexLock lock(mutex_);
    SegmentMap& segments = WritableMap();
    SegmentWriter writer = Writer(segments);
    for (const std::string& key : keys) writer.RemoveKey(key);
    AddAll(delta, {}, writer);
    Changed();
    return arrow::Status::OK();
  }

  void ReplaceAll(const Delta& delta) override EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    Publish({});
    SegmentMap& segments = WritableMap();
    SegmentWriter writer = Writer(segments);
    AddAll(delta, {}, writer);
    Changed();
  }

  void ReplaceAmong(const std::function<bool(WindowStart)>&, const Delta& delta) override { ReplaceAll(delta); }

  std::unique_ptr<ViewState> MakeEmpty() const override { return std::make_unique<SessionViewState>(spec_); }

  arrow::Result<std::unique_ptr<Delta>> ToDelta() const override {
    ARROW_ASSIGN_OR_RAISE(const auto bytes, Serialize());
    return RestoreDelta(std::string_view(*bytes));
  }

  arrow::Result<std::vector<WindowStart>> StartsOf(const std::shared_ptr<arrow::RecordBatch>&) const override {
    return arrow::Status::Invalid("View ", query().view.ToString(), ": sessions have no starts of their own");
  }

  std::map<WindowStart, std::vector<std::string>> GroupsOf(const Delta&) const override { return {}; }

  std::shared_ptr<const ViewVersion> Pin() override { return PinNow(); }
  std::int64_t CopiedSince(const ViewVersion& version) const override EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return version.CopiedSince(*registry_, copied_);
  }
  ViewStats Stats() const override EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return stats_;
  }

  std::vector<WindowStats> Windows() const override {
    const auto version = PinNow();
    std::vector<WindowStats> windows;
    for (const SegmentEntry& entry : version->segments()) {
      if (entry.table->session_count() == 0) continue;
      const WindowStart start{.start = std::max(entry.number * SegmentWidth(*spec_), -last_start())};
      windows.push_back({.start = start,
                         .window = spec_->view->WindowText(start),
                         .groups = entry.table->session_count(),
                         .rows = entry.table->row_count(),
                         .bytes = entry.table->bytes(),
                         .last_end = entry.table->greatest_last() + spec_->gap});
    }
    return windows;
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> Serialize() const override {
    const auto version = PinNow();
    std::vector<std::shared_ptr<const SessionTable>> tables;
    for (const SegmentEntry& entry : version->segments()) tables.push_back(entry.table);
    return SaveSessions(*spec_, tables);
  }
  arrow::Status Restore(std::string_view bytes) override EXCLUDES(mutex_) {
    ARROW_ASSIGN_OR_RAISE(const auto delta, RestoreDelta(bytes));
    ReplaceAll(*delta);
    return arrow::Status::OK();
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> SerializeDelta(const Delta& delta) const override {
    return SaveSessions(*spec_, {std::make_shared<const SessionTable>(TableOf(delta))});
  }
  arrow::Result<std::unique_ptr<Delta>> RestoreDelta(std::string_view bytes) const override {
    ARROW_ASSIGN_OR_RAISE(auto table, LoadSessions(spec_, bytes));
    return std::make_unique<SessionDelta>(std::move(table));
  }

 private:
  static constexpr std::int64_t last_start() { return std::numeric_limits<std::int64_t>::max() - 1; }

  std::shared_ptr<const SessionVersion> PinNow() const EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    std::shared_ptr<const SessionVersion> version = current_.lock();
    if (version == nullptr) {
      version = std::make_shared<const SessionVersion>(spec_, segments_, registry_, generation_, copied_);
      ++generation_;
      current_ = version;
    }
    return version;
  }

  // The other keys of a batch's rows.
  arrow::Result<std::set<std::string>> KeysOf(const std::shared_ptr<arrow::RecordBatch>& batch) const {
    const ViewSpec& view = *spec_->view;
    const int count_of_keys = view.codec.column_count();
    bool fits = batch != nullptr && batch->num_columns() >= count_of_keys;
    for (int i = 0; fits && i < count_of_keys; ++i) {
      fits = FoldsAs(*view.codec.columns()[static_cast<std::size_t>(i)].type, *batch->column(i)->type());
    }
    if (!fits) {
      return arrow::Status::Invalid("View ", query().view.ToString(), ": sessions to replace are named by their keys");
    }
    std::set<std::string> keys;
    auto columns = batch->columns();
    columns.resize(static_cast<std::size_t>(count_of_keys));
    RowKeys rows(view.codec.width());
    const auto total = static_cast<std::uint32_t>(batch->num_rows());
    for (std::uint32_t first = 0; first < total; first += kBlockRows) {
      const auto count = std::min<std::uint32_t>(kBlockRows, total - first);
      view.codec.Encode(columns, {.first = first, .count = count}, rows);
      for (std::uint32_t row = 0; row < count; ++row) keys.emplace(rows.Row(row));
    }
    return keys;
  }

  void AddAll(const Delta& delta, const std::set<WindowStart>& without, SegmentWriter& writer) const {
    const SessionTable& table = TableOf(delta);
    const SessionRowLists& row_lists = static_cast<const SessionDelta&>(delta).row_lists();
    std::int64_t number = 0;
    if (row_lists.empty()) {
      return ForEachSession(table, [&](std::uint32_t key, const Session& session) {
        if (!without.contains({.start = number++})) writer.Add(table.keys().key(key), session);
      });
    }
    // Sessions that are still empty join what they meet; then their rows are learned by the whole.
    SessionLearner learner(*spec_, row_lists);
    SessionRecords records(spec_->view->layout);
    const Record none = records.Make();
    ForEachSession(table, [&](std::uint32_t key, const Session& session) {
      const std::int64_t at = number++;
      if (without.contains({.start = at})) return;
      const auto placed =
          writer.Add(table.keys().key(key), {.first = session.first, .last = session.last, .record = none});
      learner.Learn(static_cast<std::size_t>(at), placed.table, placed.key, placed.place);
    });
    records.Free(none);
  }

  SegmentMap& WritableMap() REQUIRES(mutex_) {
    pinned_ = registry_->Youngest();
    if (map_created_ <= pinned_) {
      copied_ += static_cast<std::int64_t>(segments_->size() * sizeof(SegmentEntry));
      segments_ = std::make_shared<SegmentMap>(*segments_);
      map_created_ = generation_;
    }
    return *segments_;
  }

  SegmentWriter Writer(SegmentMap& segments) REQUIRES(mutex_) {
    return SegmentWriter(spec_, segments, generation_,
                         [this](SegmentEntry& entry) -> SessionTable& { return WritableTable(entry); });
  }

  // The entry's table, copied first where a pin may see it.
  SessionTable& WritableTable(SegmentEntry& entry) NO_THREAD_SAFETY_ANALYSIS {  // called by what holds the mutex
    if (entry.created <= pinned_) {
      if (entry.table.use_count() > 1) copied_ += entry.table->bytes();
      entry.table = std::make_shared<SessionTable>(*entry.table);
      entry.created = generation_;
    }
    return *entry.table;
  }

  void Publish(SegmentMap segments) REQUIRES(mutex_) {
    copied_ += stats_.bytes;
    segments_ = std::make_shared<SegmentMap>(std::move(segments));
    map_created_ = generation_;
  }

  void Changed() REQUIRES(mutex_) {
    stats_ = StatsOf(*segments_);
    current_.reset();
  }

  const std::shared_ptr<const SessionSpec> spec_;
  const std::shared_ptr<PinRegistry> registry_ = std::make_shared<PinRegistry>();
  mutable Mutex mutex_;
  std::shared_ptr<SegmentMap> segments_ GUARDED_BY(mutex_) = std::make_shared<SegmentMap>();
  ViewStats stats_ GUARDED_BY(mutex_);
  std::uint64_t pinned_ GUARDED_BY(mutex_) = 0;              // the youngest pin when writing began
  mutable std::uint64_t generation_ GUARDED_BY(mutex_) = 1;  // of the next pin
  std::uint64_t map_created_ GUARDED_BY(mutex_) = 1;         // generation of *segments_
  std::int64_t copied_ GUARDED_BY(mutex_) = 0;               // bytes left to pins, ever
  mutable std::weak_ptr<const SessionVersion> current_ GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<ViewState> MakeSessionViewState(std::shared_ptr<const ViewSpec> spec) {
  return std::make_unique<SessionViewState>(SessionSpec::Make(std::move(spec)));
}

}  // namespace hyprstream::aggregate
