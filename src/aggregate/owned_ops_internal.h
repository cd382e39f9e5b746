// States that are an object of their own outside the record: the part of a record is a pointer to it, null before the
// first value.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <memory>
#include <utility>

#include "aggregate/state_ops_internal.h"
#include "arrow/result.h"

namespace hyprstream::aggregate {

template <class T>
concept OwnedState = requires(T state, const T& other, StateWriter& writer, StateReader& reader) {
  { other.bytes() } -> std::convertible_to<std::int64_t>;  // cheap
  state.Merge(other);
  other.Save(writer);
  { state.Load(reader) } -> std::same_as<arrow::Status>;  // into a new one
};  // and total(), where it counts rows

// `Make` gives a new, empty state. Copies of a record share it until one of them changes. What is kept is also counted
// in `kept`, when there is one, over all copies: what several share counts once.
template <OwnedState T>
class OwnedOps : public StateOps {
 public:
  explicit OwnedOps(std::shared_ptr<std::atomic<std::int64_t>> kept = nullptr) : kept_(std::move(kept)) {}

  std::size_t width() const final { return sizeof(Shared*); }
  void Init(Record record) const final { Pointer(record) = nullptr; }
  void Merge(std::span<const Record> from, std::span<const Record> to, HeapAccount& heap) const final {
    for (std::size_t i = 0; i < from.size(); ++i) {
      Shared* const other = Pointer(from[i]);
      if (other == nullptr) continue;
      if (Pointer(to[i]) == nullptr) {
        Pointer(to[i]) = other;
        Detach(to[i], heap);
      } else {
        Change(to[i], heap, [&](T& state) { state.Merge(other->state); });
      }
    }
  }
  void MergeBefore(std::span<const Record> from, std::span<const Record> to, HeapAccount& heap) const final {
    if constexpr (requires { T::kInOrder; }) {
      for (std::size_t i = 0; i < from.size(); ++i) {
        const T* const before = Find(from[i]);
        if (before == nullptr) continue;
        Change(to[i], heap, [&](T& state) {
          T merged = *before;
          merged.Merge(state);
          state = std::move(merged);
        });
      }
    } else {
      Merge(from, to, heap);
    }
  }
  void Save(std::span<const Record> records, StateWriter& writer) const final {
    for (const Record record : records) writer.Put(static_cast<std::uint8_t>(Find(record) == nullptr ? 0 : 1));
    for (const Record record : records) {
      if (const T* state = Find(record); state != nullptr) state->Save(writer);
    }
  }
  arrow::Status Load(StateReader& reader, std::span<const Record> records, HeapAccount& heap) const final {
    ARROW_ASSIGN_OR_RAISE(const auto seen, reader.TakeAll<std::uint8_t>(records.size()));
    for (std::size_t i = 0; i < records.size(); ++i) {
      if (seen[i] > 1) return arrow::Status::Invalid("View state: a flag that is neither set nor clear");
      if (seen[i] == 0) continue;
      arrow::Status status;
      Change(records[i], heap, [&](T& state) { status = state.Load(reader); });
      ARROW_RETURN_NOT_OK(status);
    }
    return arrow::Status::OK();
  }
  arrow::Status CheckForeign(Record record) const final {
    const T* const state = Find(record);
    if (state == nullptr) return arrow::Status::OK();
    if constexpr (requires { state->total(); }) {
      if (static_cast<std::uint64_t>(state->total()) > static_cast<std::uint64_t>(RowsOf(record))) {
        return TooManyCounted();
      }
    }
    return HasValues(*state) ? arrow::Status::OK() : NotOfType();
  }
  bool has_heap() const final { return true; }
  void Detach(Record record, HeapAccount& heap) const final {
    Shared* const shared = Pointer(record);
    if (shared == nullptr) return;
    shared->owners.fetch_add(1, std::memory_order_relaxed);
    heap.bytes += shared->state.bytes();
  }
  void Release(Record record) const final {
    if (Pointer(record) != nullptr) Release(Pointer(record));
  }

 protected:
  virtual T Make() const = 0;
  // Are all the values that it holds some of their type?
  virtual bool HasValues(const T&) const { return true; }

  // Null: the group has seen no value.
  const T* Find(Record record) const {
    const Shared* const shared = Pointer(record);
    return shared == nullptr ? nullptr : &shared->state;
  }
  // Change() once for each stretch of rows of one record: change(state, from, until).
  template <class F>
  void ChangeRuns(std::span<const Record> records, HeapAccount& heap, F&& change) const {
    for (std::size_t from = 0; from < records.size();) {
      std::size_t until = from + 1;
      while (until < records.size() && records[until] == records[from]) ++until;
      if (until < records.size()) __builtin_prefetch(Pointer(records[until]));
      Change(records[from], heap, [&](T& state) { change(state, from, until); });
      from = until;
    }
  }
  template <class F>
  void Change(Record record, HeapAccount& heap, F&& change) const {
    Shared*& shared = Pointer(record);
    std::int64_t before = 0;
    if (shared == nullptr) {
      shared = New(Make());
    } else {
      before = shared->state.bytes();
      // Acquires what the last of the others wrote before it let go.
      if (shared->owners.load(std::memory_order_acquire) > 1) {
        Shared* const copy = New(T(shared->state));
        Release(std::exchange(shared, copy));
      }
    }
    const std::int64_t unchanged = shared->state.bytes();
    change(shared->state);
    const std::int64_t after = shared->state.bytes();
    heap.bytes += after - before;
    if (after != unchanged) Keep(after - unchanged);
  }

 private:
  struct Shared {
    std::atomic<std::int64_t> owners = 1;  // records, of any slice
    T state;
  };

  Shared*& Pointer(Record record) const { return *std::launder(reinterpret_cast<Shared**>(record + offset())); }
  Shared* New(T state) const {
    Keep(state.bytes());
    return new Shared{.state = std::move(state)};
  }
  void Release(Shared* shared) const {
    if (shared->owners.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
    Keep(-shared->state.bytes());
    delete shared;
  }
  void Keep(std::int64_t bytes) const {
    if (kept_ != nullptr) kept_->fetch_add(bytes, std::memory_order_relaxed);
  }

  const std::shared_ptr<std::atomic<std::int64_t>> kept_;
};

}  // namespace hyprstream::aggregate
