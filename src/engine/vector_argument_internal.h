// Arguments that are vectors: lists and arrays of numbers, read as lists of DOUBLE, and results that are as long.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <duckdb/common/types/vector.hpp>
#include <duckdb/common/vector/unified_vector_format.hpp>
#include <optional>
#include <utility>
#include <vector>

namespace hyprstream::engine {

// How a function takes a vector of `type`: as a list of DOUBLEs, and what it gives back as long, DOUBLE[n] for an array
// of n numbers and else DOUBLE[]. Fails when the type is no vector's.
struct VectorTypes {
  duckdb::LogicalType argument;
  duckdb::LogicalType result;
};
VectorTypes VectorTypesOf(const duckdb::LogicalType& type, const duckdb::Identifier& function);

// Makes that an argument of a function that DuckDB is about to bind, and gives the result's type.
template <class Function>
duckdb::LogicalType BindVector(Function& function, duckdb::idx_t argument, const duckdb::LogicalType& type) {
  auto types = VectorTypesOf(type, function.GetName());
  function.GetArguments()[argument] = std::move(types.argument);
  return std::move(types.result);
}

duckdb::Value VectorValue(const std::vector<std::optional<double>>& numbers, const duckdb::LogicalType& type);

// The vectors of rows.
class Vectors {
 public:
  explicit Vectors(duckdb::Vector& lists);

  // One row's.
  class Row {
   public:
    std::size_t length() const { return entry_.length; }
    std::optional<double> operator()(std::size_t i) const { return vectors_->Value(entry_.offset + i); }
    bool HasNull() const;
    // Of one without NULLs.
    void CopyTo(std::vector<double>& numbers) const;

   private:
    friend class Vectors;
    Row(const Vectors& vectors, duckdb::list_entry_t entry) : vectors_(&vectors), entry_(entry) {}
    const Vectors* vectors_;
    duckdb::list_entry_t entry_;
  };
  // Nothing: NULL.
  std::optional<Row> operator[](duckdb::idx_t row) const;

 private:
  std::optional<double> Value(duckdb::idx_t place) const {
    const auto at = values_.sel->get_index(place);
    if (!values_.validity.RowIsValid(at)) return std::nullopt;
    return duckdb::UnifiedVectorFormat::GetData<double>(values_)[at];
  }

  duckdb::UnifiedVectorFormat lists_;
  duckdb::UnifiedVectorFormat values_;
};

}  // namespace hyprstream::engine
