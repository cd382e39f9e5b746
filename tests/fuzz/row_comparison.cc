#include "fuzz/row_comparison.h"

#include <arrow/array.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace hyprstream::fuzz {

namespace {

constexpr double kRelativeError = 1e-9;

// Floating-point cells to six digits: last bits must not order rows.
std::string Rounded(double value) {
  if (std::isnan(value)) return "nan";  // whatever its sign, it is one value
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.6g", value == 0 ? 0.0 : value);
  return text.data();
}

std::string TextOf(const std::vector<Cell>& row) {
  std::string text;
  for (const auto& cell : row) {
    text += cell.number.has_value() ? Rounded(*cell.number) : cell.text.value_or("NULL");
    text += " | ";
  }
  return text;
}

// What is exact first, so that rows whose numbers round differently still meet.
std::string OrderOf(const std::vector<Cell>& row) {
  std::string exact;
  for (const auto& cell : row) {
    if (!cell.number.has_value()) exact += (cell.text.has_value() ? "'" + *cell.text : "NULL") + " | ";
  }
  return exact + TextOf(row);
}

// Each row's order is written out once, not at every comparison.
void Sort(Rows& rows) {
  std::vector<std::pair<std::string, std::size_t>> order;
  order.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) order.emplace_back(OrderOf(rows[i]), i);
  std::ranges::sort(order);
  Rows sorted;
  sorted.reserve(rows.size());
  for (const auto& [text, row] : order) sorted.push_back(std::move(rows[row]));
  rows = std::move(sorted);
}

bool Close(double a, double b) {
  if ((std::isnan(a) && std::isnan(b)) || a == b) return true;
  if (!std::isfinite(a) || !std::isfinite(b)) return false;
  return std::abs(a - b) <= kRelativeError * std::max({std::abs(a), std::abs(b), 1.0});
}

bool Same(const Cell& a, const Cell& b) {
  if (a.text != b.text || a.number.has_value() != b.number.has_value()) return false;
  return !a.number.has_value() || Close(*a.number, *b.number);
}

constexpr std::string_view kFit = "STRUCT(weights ";
constexpr std::string_view kScaler = "STRUCT(mean ";

// A struct of doubles is compared field by field; what follows from other fields (a scaler's weight and bias) is not.
std::string CellsOf(const std::string& column, const std::string& type) {
  if (type.starts_with(kFit)) {
    return column + ".weights[1]::DOUBLE, " + column + ".bias::DOUBLE, " + column + ".r2::DOUBLE, " + column +
           ".n::VARCHAR";
  }
  if (type.starts_with(kScaler)) return column + ".mean::DOUBLE, " + column + ".stddev::DOUBLE";
  // Of equal intervals any will do.
  if (type == "INTERVAL") return "normalized_interval(" + column + ")::VARCHAR";
  if (type == "INTERVAL[]") return "list_transform(" + column + ", lambda x: normalized_interval(x))::VARCHAR";
  return column + (type == "FLOAT" || type == "DOUBLE" ? "::DOUBLE" : "::VARCHAR");
}

std::string Quoted(const std::string& name) { return "\"" + name + "\""; }

// A NaN among nested values is one value, too, whatever its sign.
void DropSignsOfNan(Rows& rows) {
  for (auto& row : rows) {
    for (auto& cell : row) {
      if (!cell.text.has_value()) continue;
      for (auto at = cell.text->find("-nan"); at != std::string::npos; at = cell.text->find("-nan", at)) {
        cell.text->erase(at, 1);
      }
    }
  }
}

}  // namespace

std::size_t CellCount(const std::string& type) {
  if (type.starts_with(kFit)) return 4;
  return type.starts_with(kScaler) ? 2 : 1;
}

std::string SelectCells(const Columns& columns, const std::string& source) {
  std::string sql = "SELECT ";
  for (const auto& [name, type] : columns) {
    sql += (sql.size() > 7 ? ", " : "") + CellsOf(Quoted(name), type);
  }
  return sql + " FROM " + source;
}

Rows RowsOf(const arrow::Table& table) {
  Rows rows(static_cast<std::size_t>(table.num_rows()));
  for (const auto& column : table.columns()) {
    std::size_t at = 0;
    for (const auto& chunk : column->chunks()) {
      for (std::int64_t i = 0; i < chunk->length(); ++i) {
        auto& row = rows[at++];
        if (chunk->IsNull(i)) {
          row.emplace_back();
        } else if (chunk->type_id() == arrow::Type::DOUBLE) {
          row.push_back({.number = static_cast<const arrow::DoubleArray&>(*chunk).Value(i)});
        } else {
          row.push_back({.text = static_cast<const arrow::StringArray&>(*chunk).GetString(i)});
        }
      }
    }
  }
  return rows;
}

std::string Difference(Rows expected, Rows actual) {
  for (auto* rows : {&expected, &actual}) {
    DropSignsOfNan(*rows);
    Sort(*rows);
  }
  std::string difference;
  if (expected.size() != actual.size()) {
    difference = std::to_string(expected.size()) + " rows are " + std::to_string(actual.size()) + "\n";
  }
  int shown = 0;
  for (std::size_t i = 0; i < std::max(expected.size(), actual.size()) && shown < 5; ++i) {
    const bool both = i < expected.size() && i < actual.size();
    if (both && std::ranges::equal(expected[i], actual[i], Same)) continue;
    difference += "expected " + (i < expected.size() ? TextOf(expected[i]) : "nothing") + "\n     has " +
                  (i < actual.size() ? TextOf(actual[i]) : "nothing") + "\n";
    ++shown;
  }
  return difference;
}

}  // namespace hyprstream::fuzz
