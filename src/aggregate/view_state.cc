#include "aggregate/view_state.h"

#include <algorithm>
#include <set>
#include <utility>

#include "aggregate/slice_internal.h"
#include "aggregate/state_format_internal.h"
#include "aggregate/view_version_internal.h"
#include "arrow/array/array_base.h"
#include "arrow/buffer.h"
#include "arrow/record_batch.h"
#include "base/mutex.h"

namespace hyprstream::aggregate {
namespace {

ViewStats StatsOf(const SliceMap& slices) {
  ViewStats stats;
  for (const SliceEntry& entry : slices) {
    ++stats.windows;
    stats.groups += entry.slice->group_count();
    stats.rows += entry.slice->row_count();
    stats.bytes += entry.slice->bytes();
  }
  return stats;
}

// Its slices are written by Fold only, before anyone else has them.
class FoldedDelta final : public Delta {
 public:
  explicit FoldedDelta(SliceMap slices) : slices_(std::move(slices)), stats_(StatsOf(slices_)) {}

  std::int64_t rows() const override { return stats_.rows; }
  std::int64_t groups() const override { return stats_.groups; }
  std::int64_t bytes() const override { return stats_.bytes; }
  const SliceMap& slices() const { return slices_; }

 private:
  const SliceMap slices_;
  const ViewStats stats_;
};

const SliceMap& SlicesOf(const Delta& delta) { return static_cast<const FoldedDelta&>(delta).slices(); }

class SlicedDeltaBuilder final : public DeltaBuilder {
 public:
  explicit SlicedDeltaBuilder(std::shared_ptr<const ViewSpec> spec) : spec_(std::move(spec)) {}

  arrow::Status Add(const arrow::RecordBatch& evaluated) override { return AddBatch(*spec_, evaluated, slices_); }
  std::int64_t bytes() const override { return StatsOf(slices_).bytes; }
  std::unique_ptr<Delta> Finish() override { return std::make_unique<FoldedDelta>(std::exchange(slices_, {})); }

 private:
  const std::shared_ptr<const ViewSpec> spec_;
  SliceMap slices_;
};

class SlicedViewState final : public ViewState {
 public:
  explicit SlicedViewState(std::shared_ptr<const ViewSpec> spec)
      : spec_(std::move(spec)), slices_(std::make_shared<SliceMap>(EmptySlices(*spec_))), stats_(StatsOf(*slices_)) {}

  const AggregateQuery& query() const override { return *spec_->query; }

  arrow::Result<std::unique_ptr<Delta>> Fold(
      const std::vector<std::shared_ptr<arrow::RecordBatch>>& evaluated) const override {
    const auto builder = BuildDelta();
    for (const auto& batch : evaluated) ARROW_RETURN_NOT_OK(builder->Add(*batch));
    return builder->Finish();
  }

  std::unique_ptr<DeltaBuilder> BuildDelta() const override { return std::make_unique<SlicedDeltaBuilder>(spec_); }

  void Merge(const Delta& delta) override EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const std::uint64_t pinned = registry_->Youngest();
    SliceMap& slices = WritableMap(pinned);
    for (const SliceEntry& from : SlicesOf(delta)) MergeSlice(from, pinned, slices);
    current_.reset();
  }

  arrow::Status Replace(const std::shared_ptr<arrow::RecordBatch>& windows, const Delta& delta) override
      EXCLUDES(mutex_) {
    if (!spec_->window) {
      ReplaceAll(delta);
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const std::set<SliceKey> replaced, WindowsIn(windows));
    for (const SliceEntry& entry : SlicesOf(delta)) {
      if (replaced.contains(entry.key)) continue;
      return arrow::Status::Invalid("View ", query().view.ToString(), ": window ", spec_->WindowText(entry.key),
                                    " was recomputed but is not to be replaced");
    }
    const MutexLock lock(mutex_);
    SliceMap merged;
    std::ranges::copy_if(*slices_, std::back_inserter(merged),
                         [&](const SliceEntry& entry) { return !replaced.contains(entry.key); });
    const auto kept = static_cast<std::ptrdiff_t>(merged.size());
    std::ranges::copy(SlicesOf(delta), std::back_inserter(merged));
    std::ranges::inplace_merge(merged, merged.begin() + kept, {}, &SliceEntry::key);
    PublishLocked(std::move(merged));
    return arrow::Status::OK();
  }

  void ReplaceAll(const Delta& delta) override {
    SliceMap slices = SlicesOf(delta);
    if (slices.empty()) slices = EmptySlices(*spec_);
    Publish(std::move(slices));
  }

  std::shared_ptr<const ViewVersion> Pin() override { return PinNow(); }

  ViewStats Stats() const override EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return stats_;
  }

  std::int64_t PinnedBytes() const override EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return copied_ - registry_->OldestCopied(copied_);
  }

  std::vector<WindowStats> Windows() const override {
    const std::shared_ptr<const ViewVersion> version = PinNow();
    std::vector<WindowStats> windows;
    for (const SliceEntry& entry : version->slices()) {
      windows.push_back({.window = spec_->WindowText(entry.key),
                         .groups = entry.slice->group_count(),
                         .rows = entry.slice->row_count(),
                         .bytes = entry.slice->bytes()});
    }
    return windows;
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> Serialize() const override {
    const std::shared_ptr<const ViewVersion> version = PinNow();
    return SaveSlices(*spec_, version->slices());
  }

  arrow::Status Restore(std::string_view bytes) override {
    ARROW_ASSIGN_OR_RAISE(SliceMap slices, LoadSlices(*spec_, bytes));
    Publish(std::move(slices));
    return arrow::Status::OK();
  }

 private:
  // A pin changes no state that anyone can read, so that const methods may take one.
  std::shared_ptr<const ViewVersion> PinNow() const EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    std::shared_ptr<const ViewVersion> version = current_.lock();
    if (version == nullptr) {
      version = std::make_shared<const ViewVersion>(spec_, slices_, registry_, generation_, stats_.groups, copied_);
      ++generation_;
      current_ = version;
    }
    return version;
  }

  arrow::Result<std::set<SliceKey>> WindowsIn(const std::shared_ptr<arrow::RecordBatch>& windows) const {
    const std::shared_ptr<arrow::DataType> type = spec_->EvaluatedType(query().window_key);
    if (windows == nullptr || windows->num_columns() != 1 || !windows->column(0)->type()->Equals(*type)) {
      return arrow::Status::Invalid("View ", query().view.ToString(), ": windows to replace are one column of ",
                                    type->ToString());
    }
    const std::vector<SliceKey> keys = spec_->WindowsOf(*windows->column(0));
    return std::set<SliceKey>(keys.begin(), keys.end());
  }

  SliceMap& WritableMap(std::uint64_t pinned) REQUIRES(mutex_) {
    if (map_created_ <= pinned) {
      copied_ += static_cast<std::int64_t>(slices_->size() * sizeof(SliceEntry));
      slices_ = std::make_shared<SliceMap>(*slices_);
      map_created_ = generation_;
    }
    return *slices_;
  }

  void MergeSlice(const SliceEntry& from, std::uint64_t pinned, SliceMap& slices) REQUIRES(mutex_) {
    auto at = LowerBound(slices, from.key);
    if (at == slices.end() || at->key != from.key) {
      // The delta's own slice: nothing to do under the gate, copied when next written to.
      at = slices.insert(at, SliceEntry{.key = from.key, .slice = from.slice});
      Count(*at->slice, 1);
      return;
    }
    Count(*at->slice, -1);
    if (at->created <= pinned) {
      if (at->slice.use_count() > 1) copied_ += at->slice->bytes();  // somebody keeps it
      at->slice = at->slice->Clone();
      at->created = generation_;
    }
    at->slice->Merge(*from.slice);
    Count(*at->slice, 1);
  }

  void Count(const Slice& slice, std::int64_t sign) REQUIRES(mutex_) {
    stats_.windows += sign;
    stats_.groups += sign * slice.group_count();
    stats_.rows += sign * slice.row_count();
    stats_.bytes += sign * slice.bytes();
  }

  void Publish(SliceMap slices) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    PublishLocked(std::move(slices));
  }

  void PublishLocked(SliceMap slices) REQUIRES(mutex_) {
    copied_ += stats_.bytes;
    stats_ = StatsOf(slices);
    slices_ = std::make_shared<SliceMap>(std::move(slices));
    map_created_ = generation_;
    current_.reset();
  }

  const std::shared_ptr<const ViewSpec> spec_;
  const std::shared_ptr<PinRegistry> registry_ = std::make_shared<PinRegistry>();
  mutable Mutex mutex_;
  std::shared_ptr<SliceMap> slices_ GUARDED_BY(mutex_);
  ViewStats stats_ GUARDED_BY(mutex_);
  mutable std::uint64_t generation_ GUARDED_BY(mutex_) = 1;              // of the next pin
  std::uint64_t map_created_ GUARDED_BY(mutex_) = 1;                     // generation of *slices_
  std::int64_t copied_ GUARDED_BY(mutex_) = 0;                           // bytes left to pins, ever
  mutable std::weak_ptr<const ViewVersion> current_ GUARDED_BY(mutex_);  // of the state as it is now, while pinned
};

}  // namespace

arrow::Result<std::unique_ptr<ViewState>> ViewState::Make(std::shared_ptr<const AggregateQuery> query) {
  ARROW_ASSIGN_OR_RAISE(auto spec, ViewSpec::Make(std::move(query)));
  return std::make_unique<SlicedViewState>(std::move(spec));
}

}  // namespace hyprstream::aggregate
