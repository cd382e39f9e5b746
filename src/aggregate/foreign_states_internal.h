// States that another server's view has given out (docs/states.md) or another view of this one has, as slices.
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
// What they refuse beyond kForeignRowsMax.
arrow::Status TooManyRows(const AggregateQuery& query);
// As ViewState::FoldScannedStates.
arrow::Result<SliceMap> FoldScannedStates(const ViewSpec& spec, const std::shared_ptr<arrow::RecordBatch>& batch);

}  // namespace hyprstream::aggregate
