#include "cli/table_layout.h"

#include <arrow/array/array_base.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <algorithm>
#include <format>
#include <ranges>
#include <utility>

#include "cli/cell_text.h"

namespace hyprstream::cli {
namespace {

constexpr std::size_t kMeasuredRows = 10'000;
constexpr std::int64_t kInteractiveRows = 100;
constexpr std::size_t kInteractiveCell = 60;

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

std::size_t CharactersOf(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return !IsContinuation(c); }));
}

// Control characters would break the lines, or the terminal.
void Tame(std::string& text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
}

void CutTo(std::size_t characters, std::string& text) {
  if (CharactersOf(text) <= characters) return;
  std::size_t at = 0;
  for (std::size_t seen = 0; at < text.size(); ++at) {
    if (!IsContinuation(text[at]) && ++seen == characters) break;
  }
  text.resize(at);
  text += "…";
}

// One printable text for each line of a value.
std::vector<std::string> LinesOf(std::string_view text, std::size_t characters) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  std::vector<std::string> lines;
  for (const auto part : std::views::split(text, '\n')) {
    std::string& line = lines.emplace_back(std::string_view(part));
    Tame(line);
    CutTo(characters, line);
  }
  if (lines.empty()) lines.emplace_back();
  return lines;
}

}  // namespace

TableLayout::TableLayout(const arrow::Schema& schema, bool interactive) : interactive_(interactive) {
  for (const auto& field : schema.fields()) {
    std::string name = field->name();
    Tame(name);
    const std::size_t width = CharactersOf(name);
    columns_.push_back(
        {std::move(name), arrow::is_numeric(*field->type()) || arrow::is_decimal(*field->type()), width});
  }
}

bool TableLayout::Add(const arrow::RecordBatch& batch) {
  for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
    if (interactive_ && rows_ == kInteractiveRows) {
      cut_ = true;
      return false;
    }
    Row cells;
    for (int column = 0; column < batch.num_columns(); ++column) {
      std::string text;
      const arrow::Array& array = *batch.column(column);
      if (array.IsNull(row) || array.type_id() == arrow::Type::NA) {
        text = "NULL";
      } else {
        AppendText(array, row, text);
      }
      cells.push_back(LinesOf(text, interactive_ ? kInteractiveCell : std::string::npos));
    }
    ++rows_;
    if (measured_) {
      AppendRow(cells, lines_);
    } else {
      Measure(cells);
      waiting_.push_back(std::move(cells));
      if (waiting_.size() == kMeasuredRows) LayOutWaiting();
    }
  }
  return true;
}

void TableLayout::Measure(const Row& row) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    for (const std::string& line : row[i]) columns_[i].width = std::max(columns_[i].width, CharactersOf(line));
  }
}

void TableLayout::AppendRow(const Row& row, std::string& out) const {
  std::size_t lines = 1;
  for (const Cell& cell : row) lines = std::max(lines, cell.size());
  for (std::size_t line = 0; line < lines; ++line) AppendLine(row, line, out);
}

void TableLayout::AppendLine(const Row& row, std::size_t line, std::string& out) const {
  for (std::size_t i = 0; i < row.size(); ++i) {
    const std::string_view text = line < row[i].size() ? std::string_view(row[i][line]) : std::string_view();
    const std::size_t characters = CharactersOf(text);
    const std::size_t pad = columns_[i].width > characters ? columns_[i].width - characters : 0;
    const bool last = i + 1 == row.size();
    if (i > 0) out += interactive_ ? " │ " : "  ";
    if (columns_[i].right) out.append(pad, ' ');
    out += text;
    if (!last && !columns_[i].right) out.append(pad, ' ');
  }
  out += '\n';
}

void TableLayout::LayOutWaiting() {
  measured_ = true;
  Row names;
  for (const Column& column : columns_) names.push_back({column.name});
  AppendRow(names, lines_);
  if (interactive_) {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) lines_ += "─┼─";
      for (std::size_t c = 0; c < columns_[i].width; ++c) lines_ += "─";
    }
    lines_ += '\n';
  }
  for (const Row& row : std::exchange(waiting_, {})) AppendRow(row, lines_);
}

std::string TableLayout::TakeLines() { return std::exchange(lines_, {}); }

std::string TableLayout::Finish() {
  if (!measured_) LayOutWaiting();
  if (cut_) {
    lines_ += std::format("(the first {} rows; add LIMIT, or use --format csv for all)\n", rows_);
  } else if (interactive_) {
    lines_ += std::format("({} {})\n", rows_, rows_ == 1 ? "row" : "rows");
  }
  return TakeLines();
}

}  // namespace hyprstream::cli
