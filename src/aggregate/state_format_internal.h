// The bytes of a view's states, as docs/state_format.md describes them.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "aggregate/slice_internal.h"
#include "aggregate/state_bytes_internal.h"

namespace arrow {
class Buffer;
}

namespace hyprstream::aggregate {

// Which definition states belong to: its text, zone, and the types and kinds of keys and aggregates.
std::uint64_t FingerprintOf(const AggregateQuery& query);

// What the state of one aggregate is made of, whatever its view: kinds and types of it and of those that share its
// part.
std::uint64_t FingerprintOfAggregate(const AggregateQuery& query, std::size_t aggregate);
// As it was when a type's time zone was part of it: states of then have it.
std::uint64_t ZonedFingerprintOfAggregate(const AggregateQuery& query, std::size_t aggregate);

// What every view's states begin and end with: the writer of the one, and what makes bytes of it.
StateWriter BeginStates(const ViewSpec& spec);
std::shared_ptr<arrow::Buffer> EndStates(StateWriter writer);
// The other way round. Invalid when the bytes are damaged, of another version or of another definition, or when more or
// less than their checksum is left.
arrow::Result<StateReader> OpenStates(const ViewSpec& spec, std::string_view bytes);
arrow::Status CheckEnd(const StateReader& reader);

std::shared_ptr<arrow::Buffer> SaveSlices(const ViewSpec& spec, const SliceMap& slices);

// Invalid when the bytes are damaged, of another version or of another definition.
arrow::Result<SliceMap> LoadSlices(const ViewSpec& spec, std::string_view bytes);

// The checksum over everything before it.
std::uint32_t StateChecksum(std::string_view bytes);

}  // namespace hyprstream::aggregate
