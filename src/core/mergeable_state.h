// The states behind one column of a view, outside of the view: merged and read by whoever scanned them.
//
// A state travels as bytes (the payload of one group in the state format); in memory it is a record. Merging is
// associative, so that the value read from a merge of states is the value over all the rows behind them, never an
// average of averages.
//
// Thread safety: immutable; a record is used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace arrow {
class Array;
class Status;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream {

class MergeableState {
 public:
  virtual ~MergeableState() = default;

  // Of a record, which lies at a multiple of 8.
  virtual std::size_t record_bytes() const = 0;
  // The states of single rows, as a scan gives them (BINARY): what the aggregate takes of them are columns of the type
  // that evaluated batches have; `filter` is null where it takes all rows.
  virtual arrow::Result<std::shared_ptr<arrow::Array>> OfRows(std::span<const arrow::Array* const> arguments,
                                                              const arrow::Array* filter, std::int64_t rows) const = 0;
  // The record of no row.
  virtual void Init(std::byte* record) const = 0;
  // Adds a state as a scan gives it. Invalid, and the record is unchanged, when the bytes are none.
  virtual arrow::Status Add(std::string_view state, std::byte* record) const = 0;
  virtual void Merge(const std::byte* from, std::byte* to) const = 0;
  // A state as a scan gives it, made fit to leave the server: docs/states.md.
  virtual std::string Seal(std::string_view state) const = 0;
  // One value each, of the column's type. Invalid ("... out of range ...") when one does not fit.
  virtual arrow::Result<std::shared_ptr<arrow::Array>> Read(std::span<std::byte* const> records) const = 0;
  // Of a record that was made by Init; without it memory is lost.
  virtual void Release(std::byte* record) const = 0;
};

}  // namespace hyprstream
