// Batches of random rows in a table's types, and the same rows as SQL.
#pragma once

#include <arrow/result.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/door.h"
#include "fuzz/random_table.h"

namespace hyprstream::fuzz {

// On its way to DoPut or ingest.
struct Load {
  Batches batches;
  std::vector<std::string> texts;
};

class RowPool {
 public:
  // Cut at random places, one of the batches empty now and then. The server's own SQL makes the rows, so that they have
  // the types that clients see; as that is most of the work, several loads are drawn from the same rows.
  arrow::Result<Load> Draw(Random& random, Door& door, const RandomTable& table);

 private:
  struct Rows {
    std::vector<std::string> texts;
    std::shared_ptr<arrow::RecordBatch> batch;
    int draws_left = 0;
  };

  std::map<std::string, Rows> rows_;  // by table
};

}  // namespace hyprstream::fuzz
