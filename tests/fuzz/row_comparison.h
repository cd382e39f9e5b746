// Rows as a set of text and floating-point cells, whose last bits may differ.
#pragma once

#include <arrow/table.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hyprstream::fuzz {

// NULL when it has neither.
struct Cell {
  std::optional<std::string> text = {};
  std::optional<double> number = {};
};

using Rows = std::vector<std::vector<Cell>>;
using Columns = std::vector<std::pair<std::string, std::string>>;  // names and DuckDB's types

// How many cells SelectCells() makes of a column: structs of doubles are taken apart.
std::size_t CellCount(const std::string& type);

// `SELECT "a"::VARCHAR, "b"::DOUBLE, ... FROM source`: everything that is not floating-point as text.
std::string SelectCells(const Columns& columns, const std::string& source);

// Text and DOUBLE columns.
Rows RowsOf(const arrow::Table& table);

// Empty when both have the same rows, in any order; else the first few that differ.
std::string Difference(Rows expected, Rows actual);

}  // namespace hyprstream::fuzz
