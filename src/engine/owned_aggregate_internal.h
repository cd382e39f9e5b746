// Aggregates for DuckDB whose state is an object of the core room: DuckDB keeps a pointer to it, null before the first
// row. A state has `Merge(const T&)`.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <duckdb/common/types/value.hpp>
#include <duckdb/common/types/vector.hpp>
#include <duckdb/common/vector/unified_vector_format.hpp>
#include <duckdb/function/aggregate_function.hpp>
#include <optional>
#include <utility>

namespace hyprstream::engine {

// A pointer to the state, null before the first row.
template <class T>
T*& StateAt(const duckdb::UnifiedVectorFormat& pointers, duckdb::idx_t row) {
  const auto* addresses = duckdb::UnifiedVectorFormat::GetData<duckdb::data_ptr_t>(pointers);
  return *reinterpret_cast<T**>(addresses[pointers.sel->get_index(row)]);
}

// The same, of a new one where there was none.
template <class T>
T& StateOf(const duckdb::UnifiedVectorFormat& pointers, duckdb::idx_t row) {
  T*& state = StateAt<T>(pointers, row);
  if (state == nullptr) state = new T();
  return *state;
}

inline duckdb::idx_t OwnedStateSize(duckdb::AggregateStateInput&) { return sizeof(void*); }

inline void InitOwnedStates(duckdb::AggregateStateInput&, duckdb::data_ptr_t* states, duckdb::idx_t count) {
  for (duckdb::idx_t i = 0; i < count; ++i) *reinterpret_cast<void**>(states[i]) = nullptr;
}

template <class T>
void MergeOwnedStates(duckdb::Vector& from, duckdb::Vector& to, duckdb::AggregateInputData&, duckdb::idx_t count) {
  duckdb::UnifiedVectorFormat sources;
  duckdb::UnifiedVectorFormat targets;
  from.ToUnifiedFormat(sources);
  to.ToUnifiedFormat(targets);
  for (duckdb::idx_t i = 0; i < count; ++i) {
    const T* const source = StateAt<T>(sources, i);
    if (source != nullptr) StateOf<T>(targets, i).Merge(*source);
  }
}

template <class T>
void DestroyOwnedStates(duckdb::Vector& states, duckdb::AggregateInputData&, duckdb::idx_t count) {
  duckdb::UnifiedVectorFormat pointers;
  states.ToUnifiedFormat(pointers);
  for (duckdb::idx_t i = 0; i < count; ++i) delete std::exchange(StateAt<T>(pointers, i), nullptr);
}

// `kRead` gives a state's result, of the type that the function has; without rows it is NULL or, where `kReadsNone`,
// what a new state gives.
template <class T, duckdb::Value (*kRead)(const T&, const duckdb::LogicalType&), bool kReadsNone = false>
void FinishOwnedStates(duckdb::Vector& states, duckdb::AggregateFinalizeInputData&, duckdb::Vector& result,
                       duckdb::idx_t count, duckdb::idx_t offset) {
  duckdb::UnifiedVectorFormat pointers;
  states.ToUnifiedFormat(pointers);
  for (duckdb::idx_t i = 0; i < count; ++i) {
    const T* const state = StateAt<T>(pointers, i);
    if (state != nullptr || kReadsNone) {
      result.SetValue(offset + i, kRead(state == nullptr ? T() : *state, result.GetType()));
    } else {
      result.SetValue(offset + i, duckdb::Value(result.GetType()));
    }
  }
}

// `T` is what a state is, `kRead` what it says.
template <class T, duckdb::Value (*kRead)(const T&, const duckdb::LogicalType&), bool kReadsNone = false>
duckdb::AggregateFunction MakeOwnedAggregate(const char* name, const duckdb::vector<duckdb::LogicalType>& arguments,
                                             const duckdb::LogicalType& result, duckdb::aggregate_update_t update,
                                             duckdb::bind_aggregate_function_t bind = nullptr) {
  duckdb::AggregateFunction function(
      duckdb::Identifier(name), arguments, result, OwnedStateSize, InitOwnedStates, update, MergeOwnedStates<T>,
      FinishOwnedStates<T, kRead, kReadsNone>,
      kReadsNone ? duckdb::FunctionNullHandling::SPECIAL_HANDLING : duckdb::FunctionNullHandling::DEFAULT_NULL_HANDLING,
      nullptr, nullptr, DestroyOwnedStates<T>);
  function.SetOrderDependent(duckdb::AggregateOrderDependent::NOT_ORDER_DEPENDENT);
  function.SetFallible();
  if (bind != nullptr) function.SetBindCallback(bind);
  return function;
}

// A number of each row, nullopt for NULL.
class Numbers {
 public:
  explicit Numbers(duckdb::Vector& vector) { vector.ToUnifiedFormat(format_); }
  std::optional<double> operator[](duckdb::idx_t row) const {
    const auto at = format_.sel->get_index(row);
    if (!format_.validity.RowIsValid(at)) return std::nullopt;
    return duckdb::UnifiedVectorFormat::GetData<double>(format_)[at];
  }

 private:
  duckdb::UnifiedVectorFormat format_;
};

}  // namespace hyprstream::engine
