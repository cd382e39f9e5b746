// Rows as aligned columns: numbers to the right, the rest to the left.
//
// Widths come from the first rows (10,000); later ones that are wider push their line out. A cell of several lines (a
// plan) takes as many; its neighbours stay blank beside them. An interactive layout has a
// rule under the header and a count at the end, and cuts: lines of a cell at 60 characters, results at 100 rows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow

namespace hyprstream::cli {

class TableLayout {
 public:
  TableLayout(const arrow::Schema& schema, bool interactive);

  // False when no more rows are wanted.
  bool Add(const arrow::RecordBatch& batch);
  // The lines that are ready.
  std::string TakeLines();
  // The rest, and what is to be said at the end.
  std::string Finish();

 private:
  struct Column {
    std::string name;
    bool right = false;
    std::size_t width = 0;
  };
  using Cell = std::vector<std::string>;  // its lines, at least one
  using Row = std::vector<Cell>;

  void Measure(const Row& row);
  void AppendRow(const Row& row, std::string& out) const;
  void AppendLine(const Row& row, std::size_t line, std::string& out) const;
  void LayOutWaiting();

  const bool interactive_;
  std::vector<Column> columns_;
  std::vector<Row> waiting_;  // rows that still take part in the widths
  bool measured_ = false;
  bool cut_ = false;
  std::int64_t rows_ = 0;
  std::string lines_;
};

}  // namespace hyprstream::cli
