#include "engine/flat_bytes_internal.h"

#include <duckdb.hpp>
#include <duckdb/common/vector/unified_vector_format.hpp>

namespace hyprstream::engine {

namespace {

using Format = duckdb::RecursiveUnifiedVectorFormat;
using duckdb::PhysicalType;

constexpr double kReferenceBytes = 16;  // of a text, and of a list besides its elements

class Count {
 public:
  explicit Count(double enough) : enough_(enough) {}

  void Add(const Format& values, duckdb::idx_t begin, duckdb::idx_t count) {
    const auto type = values.logical_type.InternalType();
    if (IsFixed(type)) {
      total_ += static_cast<double>(duckdb::GetTypeIdSize(type)) * static_cast<double>(count);
      return;
    }
    for (duckdb::idx_t i = begin; i < begin + count && total_ < enough_; ++i) AddOne(values, type, i);
  }

  double total() const { return total_; }

 private:
  static bool IsFixed(PhysicalType type) {
    return type != PhysicalType::VARCHAR && type != PhysicalType::LIST && type != PhysicalType::STRUCT &&
           type != PhysicalType::ARRAY;
  }

  void AddOne(const Format& values, PhysicalType type, duckdb::idx_t index) {
    const auto at = values.unified.sel->get_index(index);
    total_ += kReferenceBytes;
    if (!values.unified.validity.RowIsValid(at)) return;
    switch (type) {
      case PhysicalType::VARCHAR:
        total_ += static_cast<double>(values.unified.GetData<duckdb::string_t>()[at].GetSize());
        return;
      case PhysicalType::LIST: {
        const auto& list = values.unified.GetData<duckdb::list_entry_t>()[at];
        return Add(values.children[0], list.offset, list.length);
      }
      case PhysicalType::ARRAY: {
        const auto size = duckdb::ArrayType::GetSize(values.logical_type);
        return Add(values.children[0], at * size, size);
      }
      default:
        for (const auto& child : values.children) Add(child, at, 1);
    }
  }

  const double enough_;
  double total_ = 0;
};

}  // namespace

double FlatBytes(const duckdb::Vector& vector, duckdb::idx_t rows, double enough) {
  Format format;
  duckdb::Vector::RecursiveToUnifiedFormat(vector, format);
  Count count(enough);
  count.Add(format, 0, rows);
  return count.total();
}

}  // namespace hyprstream::engine
