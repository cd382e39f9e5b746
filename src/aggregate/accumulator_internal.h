// The states of one aggregate for all groups of a slice, as columns: updated, merged and read a vector at a time.
//
// Thread safety: none; const methods from any thread while nobody writes. Merging the same states in the same order
// gives the same bits: integers and decimals are exact in any order and split, floating sums are double-doubles (the
// sum and the rounding errors it lost), whose last bits may depend on order.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "aggregate/state_bytes_internal.h"
#include "core/aggregate_query.h"

namespace arrow {
class Array;
class ArrayBuilder;
}  // namespace arrow

namespace hyprstream::aggregate {

class Accumulator {
 public:
  virtual ~Accumulator() = default;

  // New groups have seen nothing. Never shrinks.
  virtual void Resize(std::int64_t groups) = 0;
  // Row rows[i] of the argument is of group groups[i]. `argument` is null for count(*).
  virtual void Update(const arrow::Array* argument, std::span<const std::uint32_t> rows,
                      std::span<const std::uint32_t> groups) = 0;
  // Group i of `other`, an accumulator of the same aggregate, is group groups[i] here.
  virtual void Merge(const Accumulator& other, std::span<const std::uint32_t> groups) = 0;
  virtual std::unique_ptr<Accumulator> Clone() const = 0;
  // Appends the groups' results to a builder of MakePhysicalBuilder(result type). Invalid ("... out of range ...") when
  // one does not fit.
  virtual arrow::Status Read(std::span<const std::uint32_t> groups, arrow::ArrayBuilder& builder) const = 0;
  virtual std::int64_t bytes() const = 0;

  // The payload of the state format.
  virtual void Save(StateWriter& writer) const = 0;
  // Into an accumulator of no groups.
  virtual arrow::Status Load(StateReader& reader, std::int64_t groups) = 0;
};

// Can it be maintained? NotImplemented says why not; Invalid when the result type is not what the aggregate gives.
// `argument` is null for count(*).
arrow::Status CheckAggregate(const AggregateColumn& aggregate, const arrow::DataType* argument);

// For what CheckAggregate passed.
std::unique_ptr<Accumulator> MakeAccumulator(const AggregateColumn& aggregate, const arrow::DataType* argument);

}  // namespace hyprstream::aggregate
