#include "bench/window_kernel.h"

#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <utility>

namespace hyprstream::bench {

WindowKernel::State& WindowKernel::Table::Find(std::int64_t key, std::size_t at) {
  for (;; at = (at + 1) & mask()) {
    if (states[at].key == key) return states[at];
    if (states[at].key >= 0) continue;
    states[at].key = key;
    ++used;
    return states[at];
  }
}

void WindowKernel::Table::MakeRoom(std::size_t rows) {
  if ((used + rows) * 2 <= states.size()) return;
  const std::vector<State> old = std::exchange(states, std::vector<State>(states.size() * 2));
  used = 0;
  for (const State& state : old) {
    if (state.key >= 0) Find(state.key, Mix(static_cast<std::uint64_t>(state.key)) & mask()) = state;
  }
}

template <class Key>
void WindowKernel::AddDense(const arrow::RecordBatch& batch) {
  const auto* times = batch.column_data(0)->GetValues<std::int64_t>(1);
  const auto* keys = batch.column_data(1)->GetValues<Key>(1);
  const auto* amounts = batch.column_data(2)->GetValues<double>(1);
  for (std::int64_t i = 0; i < batch.num_rows(); ++i) {
    if (times[i] >= end_) {
      end_ = (times[i] / kWindowUs + 1) * kWindowUs;
      dense_.emplace_back(static_cast<std::size_t>(keys_));
    }
    dense_.back()[static_cast<std::size_t>(keys[i])].Add(amounts[i]);
  }
}

template <class Key>
void WindowKernel::AddHashed(const arrow::RecordBatch& batch) {
  constexpr std::size_t kAhead = 256;
  const auto* times = batch.column_data(0)->GetValues<std::int64_t>(1);
  const auto* keys = batch.column_data(1)->GetValues<Key>(1);
  const auto* amounts = batch.column_data(2)->GetValues<double>(1);
  const auto rows = static_cast<std::size_t>(batch.num_rows());
  std::size_t at[kAhead];
  for (std::size_t first = 0; first < rows;) {
    if (times[first] >= end_) {
      end_ = (times[first] / kWindowUs + 1) * kWindowUs;
      hashed_.emplace_back();
    }
    Table& table = hashed_.back();
    table.MakeRoom(kAhead);
    std::size_t count = 0;
    for (; count < kAhead && first + count < rows && times[first + count] < end_; ++count) {
      at[count] = Mix(static_cast<std::uint64_t>(keys[first + count])) & table.mask();
      __builtin_prefetch(&table.states[at[count]]);
    }
    for (std::size_t i = 0; i < count; ++i) table.Find(keys[first + i], at[i]).Add(amounts[first + i]);
    first += count;
  }
}

void WindowKernel::Add(const arrow::RecordBatch& batch) {
  const bool narrow = batch.schema()->field(1)->type()->id() == arrow::Type::INT32;
  if (keys_ <= kDenseKeys) {
    narrow ? AddDense<std::int32_t>(batch) : AddDense<std::int64_t>(batch);
  } else {
    narrow ? AddHashed<std::int32_t>(batch) : AddHashed<std::int64_t>(batch);
  }
}

}  // namespace hyprstream::bench
