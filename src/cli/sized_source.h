// A source's rows in batches of the size that is wanted.
//
// Thread safety: one thread.
#pragma once

#include <cstdint>
#include <memory>

#include "cli/row_source.h"

namespace hyprstream::cli {

struct SizedSourceOptions {
  std::int64_t batch_rows = 65536;
  std::int64_t batch_bytes_max = 64 << 20;  // a larger batch is cut further, down to one row
  // Small batches are joined; false when rows must not wait for those behind them.
  bool join = true;
};

// Rows before an error are given out before it.
std::unique_ptr<RowSource> MakeSizedSource(std::unique_ptr<RowSource> source, SizedSourceOptions options);

}  // namespace hyprstream::cli
