#include "aggregate/window_pieces_internal.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace hyprstream::aggregate {

WindowPieces::WindowPieces(const ViewVersion& version, const ScanPlan& plan, Bounds bounds)
    : version_(version), plan_(plan), bounds_(bounds), layout_(*version.spec().layout) {}

std::optional<WindowPiece> WindowPieces::Next() {
  if (plan_.matches_nothing) return std::nullopt;
  if (!version_.spec().query->hopping) return NextSlice();
  if (next_part_ == parts_) {
    if (!FindMatchingWindow()) return std::nullopt;
    next_part_ = 0;
    const bool at_once = run_.size() == 1 || !plan_.takes_all_groups();
    parts_ = at_once ? 1 : static_cast<std::size_t>(BytesOf(run_) / bounds_.piece_bytes_max + 1);
  }
  return WindowPiece{.window = {.start = window_}, .slice = MergedPart()};
}

std::optional<WindowPiece> WindowPieces::NextSlice() {
  const SliceMap& slices = version_.slices();
  while (next_ < slices.size()) {
    const auto key = plan_.windows.From(slices[next_].key);
    if (!key) return std::nullopt;
    if (*key == slices[next_].key) {
      const SliceEntry& entry = slices[next_++];
      CountVisits(1);
      return WindowPiece{.window = entry.key, .slice = entry.slice};
    }
    next_ = static_cast<std::size_t>(LowerBound(slices, *key) - slices.begin());
  }
  return std::nullopt;
}

std::optional<std::int64_t> FirstWindowAfter(const WindowSpec& spec, Int128 time) {
  const Int128 before = time - spec.size - spec.origin;
  const Int128 floored = before / spec.slide - (before % spec.slide < 0 ? 1 : 0);
  Int128 start = (floored + 1) * spec.slide + spec.origin;
  // Windows that begin before the first time there is cannot be told apart.
  constexpr Int128 kMin = std::numeric_limits<std::int64_t>::min();
  if (start < kMin) start += (kMin - start + spec.slide - 1) / spec.slide * spec.slide;
  if (start > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return static_cast<std::int64_t>(start);
}

std::optional<std::int64_t> LastWindowBy(const WindowSpec& spec, std::int64_t time) {
  const Int128 since = static_cast<Int128>(time) - spec.origin;
  const Int128 floored = since / spec.slide - (since % spec.slide < 0 ? 1 : 0);
  const Int128 start = floored * spec.slide + spec.origin;
  if (start < std::numeric_limits<std::int64_t>::min()) return std::nullopt;
  return static_cast<std::int64_t>(start);
}

bool WindowPieces::FindMatchingWindow() {
  const WindowSpec& spec = *version_.spec().query->hopping;
  std::optional<std::int64_t> from;
  while (FindWindow(from)) {
    const auto key = plan_.windows.From({.start = window_});
    if (!key || key->is_null) return false;
    if (key->start == window_) return true;
    from = FirstWindowAfter(spec, static_cast<Int128>(key->start) - 1 + spec.size);
    if (!from) return false;
  }
  return false;
}

bool WindowPieces::FindWindow(std::optional<std::int64_t> from) {
  const WindowSpec& spec = *version_.spec().query->hopping;
  const SliceMap& slices = version_.slices();
  if (run_.first == slices.size()) return false;
  std::int64_t next = 0;
  if (!std::exchange(started_, true)) {
    window_ = std::max(*FirstWindowAfter(spec, slices.front().key.start), version_.first_window());
  } else {
    if (__builtin_add_overflow(window_, spec.slide, &next)) return false;
    window_ = next;
  }
  if (from) window_ = std::max(window_, *from);
  run_.first = SliceFrom(window_);
  if (run_.first == slices.size()) return false;
  window_ = std::max(window_, *FirstWindowAfter(spec, slices[run_.first].key.start));
  const Int128 end = static_cast<Int128>(window_) + spec.size;
  run_.end = std::max(run_.end, run_.first);
  while (run_.end < slices.size() && slices[run_.end].key.start < end) ++run_.end;
  return true;
}

// The next slices are looked at one by one, most windows begin with one of them.
std::size_t WindowPieces::SliceFrom(std::int64_t start) const {
  const SliceMap& slices = version_.slices();
  std::size_t slice = run_.first;
  for (int few = 0; few < 4 && slice < slices.size() && slices[slice].key.start < start; ++few) ++slice;
  if (slice == slices.size() || slices[slice].key.start >= start) return slice;
  return static_cast<std::size_t>(LowerBound(slices, {.start = start}) - slices.begin());
}

void WindowPieces::CountVisits(std::size_t slices) const {
  if (plan_.visits != nullptr) plan_.visits->slices += static_cast<std::int64_t>(slices);
}

std::int64_t WindowPieces::BytesOf(const Run& run) const {
  std::int64_t bytes = 0;
  for (std::size_t slice = run.first; slice < run.end; ++slice) bytes += At(slice).bytes();
  return bytes;
}

std::shared_ptr<const Slice> WindowPieces::MergedPart() {
  const std::size_t part = next_part_++;
  CountVisits(run_.size());
  if (run_.size() == 1) return version_.slices()[run_.first].slice;
  if (!plan_.takes_all_groups()) return MergedChosen();
  if (parts_ == 1) return MergedByStacks();
  auto merged = std::make_shared<Slice>(version_.spec());
  std::vector<std::uint32_t> groups;
  for (std::size_t slice = run_.first; slice < run_.end; ++slice) {
    const GroupTable& table = At(slice).groups();
    groups.clear();
    for (std::uint32_t group = 0; group < table.size(); ++group) {
      if (HashRow(table.key(group)) % parts_ == part) groups.push_back(group);
    }
    merged->Merge(layout_, At(slice), groups);
  }
  return merged;
}

std::shared_ptr<const Slice> WindowPieces::MergedChosen() const {
  auto merged = std::make_shared<Slice>(version_.spec());
  for (std::size_t slice = run_.first; slice < run_.end; ++slice) {
    merged->Merge(layout_, At(slice), plan_.GroupsOf(version_.spec(), At(slice).groups()));
  }
  return merged;
}

std::shared_ptr<const Slice> WindowPieces::MergedByStacks() {
  while (!older_.empty() && older_run_.first < run_.first) {
    older_.pop_back();
    ++older_run_.first;
  }
  // Nothing older is left, or windows were passed over meanwhile.
  if (older_.empty() || older_run_.first != run_.first) Restack();
  for (; newer_end_ < run_.end; ++newer_end_) newer_->Merge(layout_, At(newer_end_));
  if (newer_->group_count() == 0) return older_.back();
  const std::shared_ptr<Slice> merged = older_.back()->Clone();
  merged->Merge(layout_, *newer_);
  merged_bytes_ = merged->bytes();
  return merged;
}

void WindowPieces::Restack() {
  const std::int64_t each = std::max<std::int64_t>(1, merged_bytes_ > 0 ? merged_bytes_ : BytesOf(run_));
  const auto height = static_cast<std::size_t>(std::max<std::int64_t>(1, bounds_.stack_bytes_max / each));
  older_.clear();
  older_run_ = {.first = run_.first, .end = run_.first + std::min(run_.size(), height)};
  older_.push_back(version_.slices()[older_run_.end - 1].slice);
  for (std::size_t slice = older_run_.end - 1; slice > older_run_.first; --slice) {
    // To a copy of what follows it, which is the larger one; its rows are the earlier ones all the same.
    const std::shared_ptr<Slice> merged = older_.back()->Clone();
    merged->MergeBefore(layout_, At(slice - 1));
    older_.push_back(merged);
  }
  newer_ = std::make_shared<Slice>(version_.spec());
  newer_end_ = older_run_.end;
}

std::vector<WindowStats> HoppingWindows(const ViewVersion& version) {
  const ScanPlan everything;
  WindowPieces pieces(version, everything);
  std::vector<WindowStats> windows;
  std::optional<SliceKey> last;
  while (const auto piece = pieces.Next()) {
    if (last != piece->window) {
      windows.push_back(
          {.start = piece->window, .window = version.spec().WindowText(piece->window), .bytes = pieces.slice_bytes()});
      last = piece->window;
    }
    windows.back().groups += piece->slice->group_count();
    windows.back().rows += piece->slice->row_count();
  }
  return windows;
}

std::int64_t CountHoppingWindows(const ViewVersion& version) {
  const ScanPlan everything;
  WindowPieces pieces(version, everything);
  std::int64_t windows = 0;
  while (pieces.FindWindow()) ++windows;
  return windows;
}

}  // namespace hyprstream::aggregate
