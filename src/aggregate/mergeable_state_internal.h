// One aggregate's states apart from their view: what scans of states hand out, and what merges them again.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "aggregate/block_internal.h"
#include "aggregate/slice_internal.h"
#include "arrow/status.h"
#include "core/mergeable_state.h"

namespace arrow {
class ArrayBuilder;
}

namespace hyprstream::aggregate {

// Appends each group's state to a builder of MakePhysicalBuilder(arrow::binary()).
arrow::Status AppendStates(const ViewSpec& spec, std::size_t aggregate, std::span<const Record> records,
                           arrow::ArrayBuilder& builder);

// A state as AppendStates wrote it, between a header and a checksum; docs/states.md. The fingerprint is
// FingerprintOfAggregate's.
std::string SealState(std::uint64_t fingerprint, std::string_view state);
// The other way round, with any of these fingerprints. Invalid for what is damaged, of another version, or of an
// aggregate or types of another kind.
arrow::Result<std::string_view> OpenState(std::span<const std::uint64_t> fingerprints, std::string_view sealed);

std::shared_ptr<const MergeableState> MakeMergeableState(const std::shared_ptr<const AggregateQuery>& query,
                                                         std::size_t aggregate);

}  // namespace hyprstream::aggregate
