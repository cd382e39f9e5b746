#include "fuzz/row_comparison.h"

#include <arrow/array.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <tuple>
#include <vector>

namespace hyprstream::fuzz {

namespace {

constexpr double kRelativeError = 1e-9;

struct Row {
  std::string exact;                          // everything but floating-point cells
  std::string order;                          // floating-point cells to six digits: last bits must not order rows
  std::vector<std::optional<double>> floats;  // the others
  std::string text;                           // all of it
};

std::optional<double> FloatOf(const arrow::Scalar& scalar) {
  if (!scalar.is_valid) return std::nullopt;
  if (scalar.type->id() == arrow::Type::FLOAT) return static_cast<const arrow::FloatScalar&>(scalar).value;
  return static_cast<const arrow::DoubleScalar&>(scalar).value;
}

std::string Rounded(const std::optional<double>& value) {
  std::array<char, 32> text{};
  if (value.has_value()) std::snprintf(text.data(), text.size(), "%.6g", *value == 0 ? 0.0 : *value);
  return text.data();
}

std::vector<Row> RowsOf(const arrow::Table& table) {
  std::vector<Row> rows(static_cast<std::size_t>(table.num_rows()));
  for (const auto& column : table.columns()) {
    const auto id = column->type()->id();
    for (std::int64_t i = 0; i < table.num_rows(); ++i) {
      auto& row = rows[static_cast<std::size_t>(i)];
      const auto scalar = column->GetScalar(i).ValueOrDie();
      const auto text = scalar->is_valid ? scalar->ToString() : "NULL";
      row.text += text + " | ";
      if (id == arrow::Type::FLOAT || id == arrow::Type::DOUBLE) {
        row.floats.push_back(FloatOf(*scalar));
        row.order += Rounded(row.floats.back()) + " | ";
      } else {
        row.exact += text + " | ";
      }
    }
  }
  std::ranges::sort(rows, {}, [](const Row& row) { return std::tie(row.exact, row.order); });
  return rows;
}

bool Close(const std::optional<double>& a, const std::optional<double>& b) {
  if (a.has_value() != b.has_value()) return false;
  if (!a.has_value() || (std::isnan(*a) && std::isnan(*b)) || *a == *b) return true;
  if (!std::isfinite(*a) || !std::isfinite(*b)) return false;
  return std::abs(*a - *b) <= kRelativeError * std::max({std::abs(*a), std::abs(*b), 1.0});
}

bool Same(const Row& a, const Row& b) { return a.exact == b.exact && std::ranges::equal(a.floats, b.floats, Close); }

}  // namespace

std::string Difference(const arrow::Table& expected, const arrow::Table& actual) {
  if (!expected.schema()->Equals(*actual.schema(), /*check_metadata=*/false)) {
    return "columns differ:\n" + expected.schema()->ToString() + "\nand\n" + actual.schema()->ToString();
  }
  const auto want = RowsOf(expected);
  const auto have = RowsOf(actual);
  std::string difference;
  if (want.size() != have.size()) {
    difference = std::to_string(want.size()) + " rows are " + std::to_string(have.size()) + "\n";
  }
  int shown = 0;
  for (std::size_t i = 0; i < std::max(want.size(), have.size()) && shown < 5; ++i) {
    if (i < want.size() && i < have.size() && Same(want[i], have[i])) continue;
    difference += "expected " + (i < want.size() ? want[i].text : "nothing") + "\n     has " +
                  (i < have.size() ? have[i].text : "nothing") + "\n";
    ++shown;
  }
  return difference;
}

}  // namespace hyprstream::fuzz
