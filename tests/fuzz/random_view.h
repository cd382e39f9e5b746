// Random materialized views over a random table.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/random_table.h"

namespace hyprstream::fuzz {

struct RandomView {
  std::string name;
  std::string table;
  std::string items;              // `SELECT ...`
  std::vector<std::string> keys;  // of these, with their names
  std::vector<std::string> aggregates;
  std::string definition;      // of a view over another one, else empty; the rest says the same of the table
  std::string source;          // that other one
  std::string from;            // the table, or a window function over it
  std::string oracle_from;     // that function written out, up to its innermost condition; else empty
  std::string where;           // may be empty
  std::string time_zone;       // the session's when it is created
  std::int64_t first_row = 0;  // of those that it counts, WITH (backfill = false): the oracle's rowid

  std::string Select() const;
  std::string Oracle() const;  // over all rows that were ever accepted
  bool Decays() const;         // some aggregate weighs by age
};

// A query over the view's table that the view may answer: fewer keys, coarser windows, conditions on keys and times.
RandomView MakeCoarser(Random& random, const RandomView& view);
// The same over the view itself, by combine(); the second gives the same over the table. Empty: none over this view.
std::pair<std::string, RandomView> MakeCombine(Random& random, const RandomView& view);

RandomView MakeView(Random& random, const RandomTable& table, const std::string& name);
// Over another view, by combine() over its columns. The definition is empty when none can be.
RandomView MakeViewOnView(Random& random, const RandomView& finer, const std::string& name);

}  // namespace hyprstream::fuzz
