#include "aggregate/view_state.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "aggregate/fold_internal.h"
#include "aggregate/foreign_states_internal.h"
#include "aggregate/session_view_internal.h"
#include "aggregate/slice_internal.h"
#include "aggregate/state_format_internal.h"
#include "aggregate/view_family_internal.h"
#include "aggregate/view_version_internal.h"
#include "aggregate/window_pieces_internal.h"
#include "arrow/array/array_base.h"
#include "arrow/buffer.h"
#include "arrow/record_batch.h"
#include "arrow/util/byte_size.h"
#include "base/mutex.h"

namespace hyprstream::aggregate {
namespace {

// Rows beyond these are grouped in any case, so that what a delta holds is bounded by its groups and not by its rows.
constexpr std::int64_t kDeferRowsMax = std::int64_t{1} << 18;

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

std::int64_t BytesOf(const std::vector<RawRows>& raw) {
  std::int64_t bytes = 0;
  const arrow::RecordBatch* counted = nullptr;
  for (const RawRows& rows : raw) {
    if (rows.batch.get() != counted) {
      bytes += arrow::util::TotalBufferSize(*rows.batch);
    }
    counted = rows.batch.get();
  }
  return bytes;
}

// Written by Fold only, before anyone else has it.
class FoldedDelta final : public Delta {
 public:
  // `kept`: what it keeps while it is there.
  explicit FoldedDelta(Folded folded, std::shared_ptr<const void> kept = nullptr)
      : folded_(std::move(folded)), stats_(StatsOf(folded_.slices)), kept_(std::move(kept)) {
    for (const RawRows& raw : folded_.raw) {
      stats_.rows += raw.rows.count;
      stats_.groups += raw.rows.count;
    }
    stats_.bytes += BytesOf(folded_.raw);
  }

  std::int64_t rows() const override { return stats_.rows; }
  std::int64_t groups() const override { return stats_.groups; }
  std::int64_t bytes() const override { return stats_.bytes; }
  std::vector<WindowRows> Windows() const override {
    std::map<SliceKey, std::int64_t> rows;
    for (const SliceEntry& entry : folded_.slices) rows[entry.key] += entry.slice->row_count();
    for (const RawRows& raw : folded_.raw) rows[raw.key] += raw.rows.count;
    std::vector<WindowRows> windows;
    for (const auto& [window, count] : rows) windows.push_back({.window = window, .rows = count});
    return windows;
  }
  const Folded& folded() const { return folded_; }

 private:
  const Folded folded_;
  ViewStats stats_;
  const std::shared_ptr<const void> kept_;
};

const Folded& FoldedOf(const Delta& delta) { return static_cast<const FoldedDelta&>(delta).folded(); }

// All of a delta as slices, which may have rows in their logs.
SliceMap GroupedOf(const ViewSpec& spec, const Delta& delta) {
  const Folded& folded = FoldedOf(delta);
  SliceMap slices = folded.slices;
  FoldScratch scratch(spec);
  for (const RawRows& raw : folded.raw) {
    auto at = LowerBound(slices, raw.key);
    if (at == slices.end() || at->key != raw.key) {
      at = slices.insert(at, SliceEntry{.key = raw.key, .slice = std::make_shared<Slice>(spec)});
    } else if (at->slice.use_count() > 1) {  // the delta keeps its own
      at->slice = at->slice->Clone();
    }
    at->slice->Add(spec, *raw.batch, raw.rows, scratch);
  }
  return slices;
}

// The same with the states of all rows.
SliceMap SlicesOf(const ViewSpec& spec, const Delta& delta) {
  SliceMap slices = GroupedOf(spec, delta);
  for (SliceEntry& entry : slices) {
    if (entry.slice->log().empty()) continue;
    if (entry.slice.use_count() > 1) entry.slice = entry.slice->Clone();  // the delta keeps its own
    entry.slice->TakeLogged(*spec.layout);
  }
  return slices;
}

class SlicedDeltaBuilder final : public DeltaBuilder {
 public:
  explicit SlicedDeltaBuilder(std::shared_ptr<const ViewSpec> spec) : spec_(std::move(spec)) {}

  arrow::Status Add(const std::shared_ptr<arrow::RecordBatch>& evaluated) override {
    rows_ += evaluated->num_rows();
    ARROW_RETURN_NOT_OK(AddBatch(*spec_, evaluated, rows_ <= kDeferRowsMax, *scratch_, folded_));
    return CheckExactBytes(*spec_->query, *spec_->layout);
  }
  std::int64_t bytes() const override { return StatsOf(folded_.slices).bytes + BytesOf(folded_.raw); }
  std::unique_ptr<Delta> Finish() override { return std::make_unique<FoldedDelta>(std::exchange(folded_, {})); }

 private:
  const std::shared_ptr<const ViewSpec> spec_;
  const std::unique_ptr<FoldScratch> scratch_ = std::make_unique<FoldScratch>(*spec_);
  std::int64_t rows_ = 0;
  Folded folded_;
};

class SlicedViewState final : public ViewState {
 public:
  explicit SlicedViewState(std::shared_ptr<const ViewSpec> spec)
      : spec_(std::move(spec)), slices_(std::make_shared<SliceMap>(EmptySlices(*spec_))), stats_(StatsOf(*slices_)) {}

  const AggregateQuery& query() const override { return *spec_->query; }

  arrow::Result<std::unique_ptr<Delta>> Fold(
      const std::vector<std::shared_ptr<arrow::RecordBatch>>& evaluated) const override {
    const auto builder = BuildDelta();
    for (const auto& batch : evaluated) ARROW_RETURN_NOT_OK(builder->Add(batch));
    return builder->Finish();
  }

  std::unique_ptr<Delta> FoldFrom(const ViewState& finer, const Delta& delta) const override {
    const auto* sliced = dynamic_cast<const SlicedViewState*>(&finer);
    if (sliced == nullptr) return nullptr;
    auto folded = Coarsen(*spec_, *sliced->spec_, FoldedOf(delta));
    return folded ? std::make_unique<FoldedDelta>(*std::move(folded)) : nullptr;
  }

  std::unique_ptr<DeltaBuilder> BuildDelta() const override { return std::make_unique<SlicedDeltaBuilder>(spec_); }

  using ViewState::Merge;
  void Merge(const Delta& delta, const std::set<WindowStart>& without) override EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const std::uint64_t pinned = registry_->Youngest();
    SliceMap& slices = WritableMap(pinned);
    const Folded& folded = FoldedOf(delta);
    for (const SliceEntry& from : folded.slices) {
      if (!without.contains(from.key)) MergeSlice(from, pinned, slices);
    }
    if (!folded.raw.empty()) AddRawRows(folded.raw, without, pinned, slices);
    current_.reset();
  }

  ViewStats DropOldest(const std::function<Expiry(WindowStart)>& expired, const WindowsGone& gone) override
      EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (!spec_->window) return {};
    if (query().hopping) return DropOldestHopping(expired, gone);
    SliceMap dropping;
    SliceMap kept;
    auto at = slices_->begin();
    for (; at != slices_->end() && !at->key.is_null; ++at) {
      const Expiry expiry = expired(at->key);
      if (expiry == Expiry::kNotYet) break;
      (expiry == Expiry::kExpired ? dropping : kept).push_back(*at);
    }
    if (dropping.empty()) return {};
    for (const auto& entry : dropping) {
      if (gone) gone(entry.key, entry.key);
    }
    const ViewStats dropped = StatsOf(dropping);
    const std::int64_t copied = copied_ + dropped.bytes;
    kept.insert(kept.end(), at, slices_->end());
    PublishLocked(std::move(kept));
    copied_ = copied;  // the others are shared
    return dropped;
  }

  std::int64_t GrowthBound(const Delta& delta) const override EXCLUDES(mutex_) {
    const Folded& folded = FoldedOf(delta);
    std::int64_t bytes = 0;
    // By slice, since an index that grows does so once for all of them.
    struct Added {
      std::int64_t groups = 0;
      IntegerRange range;
    };
    std::map<SliceKey, Added> added;
    const auto add = [&](SliceKey key, std::int64_t groups, IntegerRange range) {
      Added& of_key = added[key];
      of_key.groups += groups;
      of_key.range = of_key.range.With(range);
    };
    for (const SliceEntry& entry : folded.slices) {
      const GroupTable& groups = entry.slice->groups();
      add(entry.key, groups.size(), groups.seen());
      bytes += groups.owned_bytes() + entry.slice->log().GrowthBound(*spec_->layout, groups.size());
    }
    for (const RawRows& raw : folded.raw) add(raw.key, raw.rows.count, raw.range);
    const MutexLock lock(mutex_);
    for (const auto& [key, more] : added) {
      const auto at = LowerBound(*slices_, key);
      if (at != slices_->end() && at->key == key) {
        bytes += at->slice->groups().GrowthBound(more.groups, more.range);
      } else {
        bytes += static_cast<std::int64_t>(sizeof(Slice)) +
                 GroupTable(spec_->codec, spec_->layout).GrowthBound(more.groups, more.range);
      }
    }
    return bytes;
  }

  arrow::Status Replace(const std::shared_ptr<arrow::RecordBatch>& windows, const Delta& delta) override
      EXCLUDES(mutex_) {
    if (!spec_->window) {
      ReplaceAll(delta);
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const std::vector<SliceKey> starts, StartsOf(windows));
    const std::set<SliceKey> replaced(starts.begin(), starts.end());
    const SliceMap fresh = SlicesOf(*spec_, delta);
    for (const SliceEntry& entry : fresh) {
      if (replaced.contains(entry.key)) continue;
      return arrow::Status::Invalid("View ", query().view.ToString(), ": window ", spec_->WindowText(entry.key),
                                    " was recomputed but is not to be replaced");
    }
    const MutexLock lock(mutex_);
    SliceMap merged;
    std::ranges::copy_if(*slices_, std::back_inserter(merged),
                         [&](const SliceEntry& entry) { return !replaced.contains(entry.key); });
    const auto kept = static_cast<std::ptrdiff_t>(merged.size());
    std::ranges::copy(fresh, std::back_inserter(merged));
    std::ranges::inplace_merge(merged, merged.begin() + kept, {}, &SliceEntry::key);
    PublishLocked(std::move(merged));
    return arrow::Status::OK();
  }

  void ReplaceAll(const Delta& delta) override {
    SliceMap slices = SlicesOf(*spec_, delta);
    if (slices.empty()) slices = EmptySlices(*spec_);
    Publish(std::move(slices));
  }

  bool can_subtract() const override {
    return std::ranges::all_of(spec_->layout->parts(), [](const auto& part) { return part.ops->can_subtract(); });
  }

  void Subtract(const Delta& delta, const std::set<WindowStart>& without) override EXCLUDES(mutex_) {
    const SliceMap gone = SlicesOf(*spec_, delta);
    const bool has_keys = query().key_count() > 0;
    const MutexLock lock(mutex_);
    const std::uint64_t pinned = registry_->Youngest();
    SliceMap& slices = WritableMap(pinned);
    for (const SliceEntry& from : gone) {
      const auto at = LowerBound(slices, from.key);
      if (without.contains(from.key) || at == slices.end() || at->key != from.key) continue;
      Slice& slice = BeginWrite(pinned, *at);
      slice.Subtract(*spec_->layout, *from.slice);
      EndWrite(slice);
      if (!has_keys || (slice.row_count() != 0 && !slice.has_empty_group())) continue;
      Count(slice, -1);
      if (slice.row_count() == 0) {
        slices.erase(at);
        continue;
      }
      at->slice = slice.WithoutEmpty(*spec_);
      Count(*at->slice, 1);
    }
    current_.reset();
  }

  arrow::Result<std::unique_ptr<Delta>> FoldStates(
      const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) const override {
    if (query().hopping) return ViewState::FoldStates(batches);
    ARROW_ASSIGN_OR_RAISE(SliceMap slices, FoldForeignStates(*spec_, batches));
    ARROW_ASSIGN_OR_RAISE(auto room, TakeRoom(StatsOf(slices).rows));
    return std::make_unique<FoldedDelta>(Folded{.slices = std::move(slices), .raw = {}}, std::move(room));
  }

  arrow::Result<std::unique_ptr<Delta>> FoldScannedStates(
      const std::shared_ptr<arrow::RecordBatch>& batch) const override {
    if (query().hopping) return ViewState::FoldScannedStates(batch);
    ARROW_ASSIGN_OR_RAISE(SliceMap slices, aggregate::FoldScannedStates(*spec_, batch));
    return std::make_unique<FoldedDelta>(Folded{.slices = std::move(slices), .raw = {}});
  }

  void ReplaceAmong(const std::function<bool(WindowStart)>& among, const Delta& delta) override EXCLUDES(mutex_) {
    if (!spec_->window) return ReplaceAll(delta);
    const auto is_among = [&](const SliceEntry& entry) { return among(entry.key); };
    SliceMap fresh = SlicesOf(*spec_, delta);
    std::erase_if(fresh, std::not_fn(is_among));
    const MutexLock lock(mutex_);
    SliceMap merged;
    std::ranges::copy_if(*slices_, std::back_inserter(merged), std::not_fn(is_among));
    const auto kept = static_cast<std::ptrdiff_t>(merged.size());
    std::ranges::copy(fresh, std::back_inserter(merged));
    std::ranges::inplace_merge(merged, merged.begin() + kept, {}, &SliceEntry::key);
    PublishLocked(std::move(merged));
  }

  std::unique_ptr<ViewState> MakeEmpty() const override { return std::make_unique<SlicedViewState>(spec_); }

  arrow::Result<std::unique_ptr<Delta>> ToDelta() const override {
    SliceMap slices = PinNow()->slices();
    for (SliceEntry& entry : slices) entry.created = 0;
    return std::make_unique<FoldedDelta>(Folded{.slices = std::move(slices), .raw = {}});
  }

  arrow::Result<std::vector<WindowStart>> StartsOf(const std::shared_ptr<arrow::RecordBatch>& windows) const override {
    const std::shared_ptr<arrow::DataType> type = spec_->EvaluatedType(query().window_key);
    if (windows == nullptr || windows->num_columns() != 1 || !windows->column(0)->type()->Equals(*type)) {
      return arrow::Status::Invalid("View ", query().view.ToString(), ": windows to replace are one column of ",
                                    type->ToString());
    }
    return spec_->WindowsOf(*windows->column(0));
  }

  std::map<WindowStart, std::vector<std::string>> GroupsOf(const Delta& delta) const override {
    std::map<WindowStart, std::vector<std::string>> keys;
    for (const SliceEntry& entry : GroupedOf(*spec_, delta)) {
      const GroupTable& groups = entry.slice->groups();
      for (std::uint32_t group = 0; group < groups.size(); ++group) keys[entry.key].emplace_back(groups.key(group));
    }
    return keys;
  }

  std::shared_ptr<const ViewVersion> Pin() override { return PinNow(); }

  ViewStats Stats() const override EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return stats_;
  }

  std::int64_t CountWindows() const override {
    return query().hopping ? CountHoppingWindows(*PinNow()) : Stats().windows;
  }

  std::int64_t CopiedSince(const ViewVersion& version) const override EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return version.CopiedSince(*registry_, copied_);
  }

  std::vector<WindowStats> Windows() const override {
    const std::shared_ptr<const ViewVersion> version = PinNow();
    if (query().hopping) return HoppingWindows(*version);
    std::vector<WindowStats> windows;
    for (const SliceEntry& entry : version->slices()) {
      windows.push_back({.start = entry.key,
                         .window = spec_->WindowText(entry.key),
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

  arrow::Result<std::shared_ptr<arrow::Buffer>> SerializeDelta(const Delta& delta) const override {
    return SaveSlices(*spec_, SlicesOf(*spec_, delta));
  }

  arrow::Result<std::unique_ptr<Delta>> RestoreDelta(std::string_view bytes) const override {
    ARROW_ASSIGN_OR_RAISE(SliceMap slices, LoadSlices(*spec_, bytes));
    return std::make_unique<FoldedDelta>(Folded{.slices = std::move(slices), .raw = {}});
  }

 private:
  // A pin changes no state that anyone can read, so that const methods may take one.
  std::shared_ptr<const ViewVersion> PinNow() const EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    std::shared_ptr<const ViewVersion> version = current_.lock();
    if (version == nullptr) {
      auto fresh = std::make_shared<ViewVersion>(spec_, slices_, registry_, generation_, stats_.groups, copied_);
      fresh->HideBefore(first_window_);
      version = std::move(fresh);
      ++generation_;
      current_ = version;
    }
    return version;
  }

  // A slice goes with the last window that it is in; a window that has expired before is passed over from then on.
  ViewStats DropOldestHopping(const std::function<Expiry(WindowStart)>& expired, const WindowsGone& gone)
      REQUIRES(mutex_) {
    const WindowSpec& spec = *query().hopping;
    const std::int64_t first_before = first_window_;
    const auto hide = [&](std::int64_t slice, std::optional<std::int64_t> last) REQUIRES(mutex_) {
      const std::int64_t first = std::max(first_window_, *FirstWindowAfter(spec, slice));
      if (!last || *last < first) return;
      if (gone) gone({.start = first}, {.start = *last});
      first_window_ = *last + spec.slide;
    };
    auto kept = slices_->begin();
    // Asked for a slice, the last window that it is in is meant.
    for (; kept != slices_->end() && expired(kept->key) == Expiry::kExpired; ++kept) {
      hide(kept->key.start, LastWindowBy(spec, kept->key.start));
    }
    // Windows before the first one with a slice may not have expired, and get rows yet.
    if (kept != slices_->end()) {
      std::int64_t window = std::max(first_window_, *FirstWindowAfter(spec, kept->key.start));
      std::optional<std::int64_t> last;
      for (; expired({.start = window}) == Expiry::kExpired; window += spec.slide) last = window;
      hide(kept->key.start, last);
    }
    const bool some_hidden = first_window_ != first_before;
    if (some_hidden) current_.reset();
    if (kept == slices_->begin()) return {.windows = some_hidden ? 1 : 0};
    const SliceMap dropping(slices_->begin(), kept);
    const ViewStats dropped = StatsOf(dropping);
    const std::int64_t copied = copied_ + dropped.bytes;
    PublishLocked(SliceMap(kept, slices_->end()));
    copied_ = copied;  // the others are shared
    return dropped;
  }

  // For rows of states from elsewhere, of any transaction, that are yet to be merged.
  arrow::Result<std::shared_ptr<const void>> TakeRoom(std::int64_t rows) const EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (stats_.rows + *awaited_rows_ + rows > kForeignRowsMax) return TooManyRows(query());
    *awaited_rows_ += rows;
    return std::shared_ptr<const void>(nullptr, [all = awaited_rows_, rows](const void*) { *all -= rows; });
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
      SliceEntry added{.key = from.key, .slice = from.slice};
      if (!from.slice->log().empty()) {
        added = {.key = from.key, .slice = from.slice->Clone(), .created = generation_};
        added.slice->TakeLogged(*spec_->layout);
      }
      at = slices.insert(at, std::move(added));
      Count(*at->slice, 1);
      CompactBefore(at, pinned, slices);
      return;
    }
    // Only states of windows that have expired get there, which are stored beside the view: nobody reads them.
    if (at->slice->row_count() > static_cast<std::int64_t>(kRowsMask) - from.slice->row_count()) return;
    Slice& slice = BeginWrite(pinned, *at);
    slice.Merge(*spec_->layout, *from.slice);
    slice.TakeLogged(*spec_->layout);
    EndWrite(slice);
  }

  // A new window has begun: the one before it hardly grows any more.
  void CompactBefore(SliceMap::iterator begun, std::uint64_t pinned, SliceMap& slices) REQUIRES(mutex_) {
    if (begun == slices.begin()) return;
    const SliceEntry& before = *std::prev(begun);
    if (before.created <= pinned || before.slice.use_count() > 1) return;
    Count(*before.slice, -1);
    before.slice->BeginWrite();
    before.slice->Compact();
    EndWrite(*before.slice);
  }

  void AddRawRows(const std::vector<RawRows>& raw, const std::set<WindowStart>& without, std::uint64_t pinned,
                  SliceMap& slices) REQUIRES(mutex_) {
    const auto scratch = std::make_unique<FoldScratch>(*spec_);
    for (const RawRows& rows : raw) {
      if (without.contains(rows.key)) continue;
      auto at = LowerBound(slices, rows.key);
      if (at == slices.end() || at->key != rows.key) {
        at = slices.insert(
            at, SliceEntry{.key = rows.key, .slice = std::make_shared<Slice>(*spec_), .created = generation_});
        Count(*at->slice, 1);
        CompactBefore(at, pinned, slices);
      }
      Slice& slice = BeginWrite(pinned, *at);
      slice.Add(*spec_, *rows.batch, rows.rows, *scratch);
      slice.Settle();
      EndWrite(slice);
    }
  }

  // The entry's slice to write to, its next copy where a pin may see it; not counted until EndWrite().
  Slice& BeginWrite(std::uint64_t pinned, SliceEntry& entry) REQUIRES(mutex_) {
    Count(*entry.slice, -1);
    if (entry.created <= pinned) {
      // One that came from a delta is this state's alone once the delta is gone and no version has it.
      if (entry.slice.use_count() > 1 || entry.created != 0) entry.slice = entry.slice->NextCopy();
      entry.created = generation_;
    }
    if (!entry.slice->is_newest()) entry.slice = entry.slice->Clone();
    entry.slice->BeginWrite();
    return *entry.slice;
  }

  void EndWrite(Slice& slice) REQUIRES(mutex_) {
    slice.EndWrite();
    copied_ += slice.TakeReplacedBytes();
    Count(slice, 1);
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
  const std::shared_ptr<std::atomic<std::int64_t>> awaited_rows_ = std::make_shared<std::atomic<std::int64_t>>(0);
  mutable Mutex mutex_;
  std::shared_ptr<SliceMap> slices_ GUARDED_BY(mutex_);
  ViewStats stats_ GUARDED_BY(mutex_);
  mutable std::uint64_t generation_ GUARDED_BY(mutex_) = 1;                                  // of the next pin
  std::uint64_t map_created_ GUARDED_BY(mutex_) = 1;                                         // generation of *slices_
  std::int64_t copied_ GUARDED_BY(mutex_) = 0;                                               // bytes left to pins, ever
  std::int64_t first_window_ GUARDED_BY(mutex_) = std::numeric_limits<std::int64_t>::min();  // that has not expired
  mutable std::weak_ptr<const ViewVersion> current_ GUARDED_BY(mutex_);  // of the state as it is now, while pinned
};

}  // namespace

arrow::Result<std::unique_ptr<Delta>> ViewState::FoldStates(
    const std::vector<std::shared_ptr<arrow::RecordBatch>>& /*batches*/) const {
  return arrow::Status::NotImplemented("View ", query().view.ToString(),
                                       " takes no states: its windows overlap or join one another");
}

arrow::Result<std::unique_ptr<Delta>> ViewState::FoldScannedStates(
    const std::shared_ptr<arrow::RecordBatch>& /*batch*/) const {
  return FoldStates({});
}

arrow::Result<std::unique_ptr<ViewState>> ViewState::Make(std::shared_ptr<const AggregateQuery> query) {
  ARROW_ASSIGN_OR_RAISE(auto spec, ViewSpec::Make(std::move(query)));
  if (spec->query->session_gap) return MakeSessionViewState(std::move(spec));
  return std::make_unique<SlicedViewState>(std::move(spec));
}

}  // namespace hyprstream::aggregate
