// Random materialized views over a random table.
#pragma once

#include <string>

#include "fuzz/random_table.h"

namespace hyprstream::fuzz {

struct RandomView {
  std::string name;
  std::string select;     // over raw rows it is the view's oracle
  std::string time_zone;  // the session's when it is created
};

RandomView MakeView(Random& random, const RandomTable& table, const std::string& name);

}  // namespace hyprstream::fuzz
