// The bytes of a view's states, as docs/state_format.md describes them.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "aggregate/slice_internal.h"

namespace arrow {
class Buffer;
}

namespace hyprstream::aggregate {

// Which definition states belong to: its text, zone, and the types and kinds of keys and aggregates.
std::uint64_t FingerprintOf(const AggregateQuery& query);

std::shared_ptr<arrow::Buffer> SaveSlices(const ViewSpec& spec, const SliceMap& slices);

// Invalid when the bytes are damaged, of another version or of another definition.
arrow::Result<SliceMap> LoadSlices(const ViewSpec& spec, std::string_view bytes);

// The checksum over everything before it.
std::uint32_t StateChecksum(std::string_view bytes);

}  // namespace hyprstream::aggregate
