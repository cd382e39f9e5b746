// The tables of types in docs/backends.md.
#pragma once

#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace hyprstream::testing {

// The rows of a database's table: names of types, and what they become; in the document each `| types | Arrow's type |
// ... |`.
inline std::vector<std::pair<std::vector<std::string>, std::string>> DocumentedTypes(const std::string& database) {
  std::ifstream document(std::string(HYPRSTREAM_DOCS) + "/backends.md");
  std::vector<std::pair<std::vector<std::string>, std::string>> types;
  bool inside = false;
  for (std::string line; std::getline(document, line);) {
    if (line.starts_with("## ")) inside = line == "## " + database + " types";
    if (!inside || !line.starts_with("| `")) continue;
    std::vector<std::string> names;
    const auto cell = line.find(" | ");
    for (auto at = line.find('`'); at < cell; at = line.find('`', at + 1)) {
      const auto end = line.find('`', at + 1);
      names.push_back(line.substr(at + 1, end - at - 1));
      at = end;
    }
    const auto begin = line.find('`', cell) + 1;
    types.emplace_back(std::move(names), line.substr(begin, line.find('`', begin) - begin));
  }
  return types;
}

}  // namespace hyprstream::testing
