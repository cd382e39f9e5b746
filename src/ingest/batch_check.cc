#include "ingest/batch_check.h"

#include <arrow/array.h>
#include <arrow/extension_type.h>
#include <arrow/record_batch.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <format>

#include "ingest/extension_check.h"

namespace hyprstream::ingest {

namespace {

constexpr double kValueBytes = 16;  // what a value takes at least where it has no width of its own

double BytesOf(const arrow::Array& array);

// The largest value of an array of texts or bytes.
template <class ArrayType>
double LargestOf(const ArrayType& array) {
  double largest = 0;
  for (std::int64_t i = 0; i < array.length(); ++i) {
    if (array.IsValid(i)) largest = std::max(largest, static_cast<double>(array.GetView(i).size()));
  }
  return largest;
}

double LargestValue(const arrow::Array& values) {
  switch (values.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return LargestOf(static_cast<const arrow::BinaryArray&>(values));
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return LargestOf(static_cast<const arrow::LargeBinaryArray&>(values));
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      return LargestOf(static_cast<const arrow::BinaryViewArray&>(values));
    default:
      return arrow::is_fixed_width(values.type_id()) ? kValueBytes : BytesOf(values);
  }
}

template <class ArrayType>
double SharedTextBytes(const ArrayType& values, const arrow::DictionaryArray& rows) {
  double bytes = 0;
  for (std::int64_t i = 0; i < rows.length(); ++i) {
    if (rows.IsValid(i)) bytes += static_cast<double>(values.GetView(rows.GetValueIndex(i)).size());
  }
  return bytes;
}

// Every row may be as large as the largest value; only where that would be too much a look at each row is worth it.
double DictionaryBytes(const arrow::DictionaryArray& rows) {
  const auto& values = *rows.dictionary();
  const double most = static_cast<double>(rows.length()) * std::max(1.0, LargestValue(values));
  constexpr double kWorthALook = 16 << 20;
  if (most <= kWorthALook) return most;
  switch (values.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return SharedTextBytes(static_cast<const arrow::BinaryArray&>(values), rows);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return SharedTextBytes(static_cast<const arrow::LargeBinaryArray&>(values), rows);
    default:
      return most;
  }
}

double ViewBytes(const arrow::BinaryViewArray& rows) {
  double bytes = 0;
  for (std::int64_t i = 0; i < rows.length(); ++i) bytes += rows.IsValid(i) ? double(rows.GetView(i).size()) : 0;
  return bytes;
}

template <class ArrayType>
double ListViewBytes(const ArrayType& rows) {
  double elements = 0;
  for (std::int64_t i = 0; i < rows.length(); ++i) {
    if (rows.IsValid(i)) elements += static_cast<double>(rows.value_length(i));
  }
  const auto& values = *rows.values();
  const double each = values.length() == 0 ? 0 : BytesOf(values) / static_cast<double>(values.length());
  return elements * each;
}

double NestedBytes(const arrow::ArrayData& data) {
  double bytes = 0;
  for (const auto& child : data.child_data) bytes += BytesOf(*arrow::MakeArray(child));
  return bytes;
}

double BytesOf(const arrow::Array& array) {
  const auto rows = static_cast<double>(array.length());
  const auto own = [&]() -> double {
    switch (array.type_id()) {
      case arrow::Type::NA:
        return kValueBytes * rows;
      case arrow::Type::DICTIONARY:
        return DictionaryBytes(static_cast<const arrow::DictionaryArray&>(array));
      case arrow::Type::STRING_VIEW:
      case arrow::Type::BINARY_VIEW:
        return ViewBytes(static_cast<const arrow::BinaryViewArray&>(array));
      case arrow::Type::LIST_VIEW:
        return ListViewBytes(static_cast<const arrow::ListViewArray&>(array));
      case arrow::Type::LARGE_LIST_VIEW:
        return ListViewBytes(static_cast<const arrow::LargeListViewArray&>(array));
      case arrow::Type::RUN_END_ENCODED:
        return rows * LargestValue(*static_cast<const arrow::RunEndEncodedArray&>(array).values());
      case arrow::Type::FIXED_SIZE_BINARY:
        return static_cast<const arrow::FixedSizeBinaryType&>(*array.type()).byte_width() == 0 ? kValueBytes * rows : 0;
      case arrow::Type::STRUCT:
        return array.data()->child_data.empty() ? kValueBytes * rows : NestedBytes(*array.data());
      case arrow::Type::EXTENSION:
        return BytesOf(*static_cast<const arrow::ExtensionArray&>(array).storage());
      default:
        return NestedBytes(*array.data());
    }
  }();
  return std::max(own, rows);
}

}  // namespace

double UnfoldedBytes(const arrow::RecordBatch& batch) {
  double bytes = 0;
  for (const auto& column : batch.columns()) bytes += BytesOf(*column);
  return bytes;
}

arrow::Status CheckBatch(const arrow::RecordBatch& batch, std::int64_t bytes_max) {
  const auto valid = batch.ValidateFull();
  if (!valid.ok()) return arrow::Status::Invalid("The batch is not valid Arrow data: ", valid.message());
  const double bytes = std::max(static_cast<double>(arrow::util::TotalBufferSize(batch)), UnfoldedBytes(batch));
  if (bytes <= static_cast<double>(bytes_max)) return CheckExtensions(batch);
  return arrow::Status::Invalid(
      std::format("A batch of {} rows takes {:.0f} bytes, over the limit of {}; send smaller "
                  "batches",
                  batch.num_rows(), bytes, bytes_max));
}

}  // namespace hyprstream::ingest
