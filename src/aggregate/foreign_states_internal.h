// States that another server's view has given out, back as slices; docs/states.md.
#pragma once

#include <memory>
#include <vector>

#include "aggregate/slice_internal.h"

namespace arrow {
class RecordBatch;
}

namespace hyprstream::aggregate {

// As ViewState::FoldStates. Of the bytes nothing is taken on trust.
arrow::Result<SliceMap> FoldForeignStates(const ViewSpec& spec,
                                          const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches);

}  // namespace hyprstream::aggregate
