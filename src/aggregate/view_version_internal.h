// A pinned version of a view's slices, and the registry that tells the state which generations are still pinned.
//
// Copy-on-write by generations: every new pin ends a generation of the state, and a slice remembers the generation in
// which it was made. The state may write to a slice in place only when no live pin is as young as the slice.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <set>
#include <utility>

#include "aggregate/slice_internal.h"
#include "aggregate/view_state.h"
#include "base/mutex.h"

namespace hyprstream::aggregate {

// Generations start at 1.
class PinRegistry {
 public:
  void Add(std::uint64_t generation) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    live_.insert(generation);
  }
  void Remove(std::uint64_t generation) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    live_.erase(generation);
  }
  // 0 when nothing is pinned. Whatever readers did before they let go happens before this returns.
  std::uint64_t Youngest() const EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return live_.empty() ? 0 : *live_.rbegin();
  }

 private:
  mutable Mutex mutex_;
  std::set<std::uint64_t> live_ GUARDED_BY(mutex_);
};

// Of a view over sessions it is a SessionVersion, without slices.
class ViewVersion {
 public:
  // Registers the pin; the destructor removes it. `copied`: the bytes that the state had copied by then.
  ViewVersion(std::shared_ptr<const ViewSpec> spec, std::shared_ptr<const SliceMap> slices,
              std::shared_ptr<PinRegistry> registry, std::uint64_t generation, std::int64_t groups, std::int64_t copied)
      : spec_(std::move(spec)),
        slices_(std::move(slices)),
        registry_(std::move(registry)),
        generation_(generation),
        groups_(groups),
        copied_(copied) {
    registry_->Add(generation_);
  }
  virtual ~ViewVersion() { registry_->Remove(generation_); }
  ViewVersion(const ViewVersion&) = delete;
  ViewVersion& operator=(const ViewVersion&) = delete;

  // Of windows that hop: those that begin before it have expired, though slices of theirs are still there.
  std::int64_t first_window() const { return first_window_; }
  void HideBefore(std::int64_t first_window) { first_window_ = first_window; }  // before anyone else has it

  const ViewSpec& spec() const { return *spec_; }
  const SliceMap& slices() const { return *slices_; }
  std::int64_t group_count() const { return groups_; }
  // What the state that `registry` is of, and that has copied `copied` bytes by now, has copied since; 0: it is
  // another's version.
  std::int64_t CopiedSince(const PinRegistry& registry, std::int64_t copied) const {
    return &registry == registry_.get() ? copied - copied_ : 0;
  }

 private:
  const std::shared_ptr<const ViewSpec> spec_;
  const std::shared_ptr<const SliceMap> slices_;
  const std::shared_ptr<PinRegistry> registry_;
  const std::uint64_t generation_;
  const std::int64_t groups_;
  const std::int64_t copied_;
  std::int64_t first_window_ = std::numeric_limits<std::int64_t>::min();
};

}  // namespace hyprstream::aggregate
