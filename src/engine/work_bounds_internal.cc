#include "engine/work_bounds_internal.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <duckdb.hpp>
#include <duckdb/common/vector/flat_vector.hpp>
#include <duckdb/common/vector_operations/vector_operations.hpp>
#include <utility>
#include <vector>

#include "engine/argument_sizes_internal.h"
#include "engine/json_shape_internal.h"
#include "engine/pattern_size_internal.h"
#include "engine/value_bounds_internal.h"

namespace hyprstream::engine {

namespace {

constexpr std::array<std::pair<std::string_view, Work>, 38> kWorks = {{
    {"json_contains", Work::kContains},
    {"json_merge_patch", Work::kMerge},
    {"json_deep_merge", Work::kMerge},
    {"json_merge_patch_diff", Work::kMerge},
    {"json_extract", Work::kPath},
    {"json_extract_path", Work::kPath},
    {"->", Work::kPath},
    {"json_extract_string", Work::kPath},
    {"json_extract_path_text", Work::kPath},
    {"->>", Work::kPath},
    {"json_exists", Work::kPath},
    {"json_value", Work::kPath},
    {"json_type", Work::kPath},
    {"json_keys", Work::kPath},
    {"json_array_length", Work::kPath},
    {"regexp_matches", Work::kMatch},
    {"regexp_full_match", Work::kMatch},
    {"regexp_extract", Work::kMatch},
    {"regexp_replace", Work::kMatches},
    {"regexp_extract_all", Work::kMatches},
    {"regexp_split_to_array", Work::kMatches},
    {"string_split_regex", Work::kMatches},
    {"str_split_regex", Work::kMatches},
    {"~~", Work::kCompare},
    {"!~~", Work::kCompare},
    {"~~*", Work::kCompare},
    {"!~~*", Work::kCompare},
    {"~~~", Work::kCompare},
    {"like_escape", Work::kCompare},
    {"not_like_escape", Work::kCompare},
    {"ilike_escape", Work::kCompare},
    {"not_ilike_escape", Work::kCompare},
    {"strptime", Work::kCompare},
    {"try_strptime", Work::kCompare},
    {"parse_path", Work::kSquare},
    {"parse_dirname", Work::kSquare},
    {"parse_dirpath", Work::kSquare},
    {"parse_filename", Work::kSquare},
}};

// Steps of the rows that are worked on between two looks for an interrupt: a tenth of a second, at worst a whole one.
constexpr double kPartSteps = 1e8;
// To compile a pattern anew costs about as much as to match as many bytes, and a step of a path as much as that.
constexpr double kCompiledBytes = 100;
constexpr double kPathStep = 16;
// Bytes of a text that a match goes through in the time of a step, where few instructions are tried for each.
constexpr double kPassedBytes = 8;
constexpr double kSkippedBytes = 64;  // likewise, of a search for one character
constexpr double kFormatSteps = 32;   // of one of many formats, for each character

// A shape, taken once of a text that is the same in many rows.
template <class Shape, Shape (*kShapeOf)(std::string_view)>
class Known {
 public:
  const Shape& Of(std::string_view text) {
    if (text.data() != text_.data() || text.size() != text_.size()) shape_ = kShapeOf(text);
    text_ = text;
    return shape_;
  }

 private:
  std::string_view text_;
  Shape shape_ = kShapeOf({});
};

struct Steps {
  double sure = 0;     // that a value may well take
  double perhaps = 0;  // that it takes in the worst case, if more
  double most() const { return std::max(sure, perhaps); }
};

// What the rows of a call cost.
class WorkCount {
 public:
  WorkCount(const BoundedWork& call, const Arguments& arguments, duckdb::idx_t rows)
      : call_(call), arguments_(arguments), rows_(rows) {}

  // No less than all rows together, and cheaper to know; infinity where it is not.
  double AtMost() {
    if (call_.work == Work::kSquare) return SquareAtMost();
    if (arguments_.size() < 2) return 0;
    switch (call_.work) {
      case Work::kContains:
        return ContainsAtMost();
      case Work::kMerge:
        return MergeAtMost();
      case Work::kPath:
        return PathAtMost();
      case Work::kMatch:
      case Work::kMatches:
        return MatchAtMost();
      case Work::kCompare:
        return CompareAtMost();
      case Work::kSquare:
        break;
    }
    return INFINITY;
  }

  Steps OfRow(duckdb::idx_t row) {
    switch (call_.work) {
      case Work::kContains:
        return {.sure = Contains(row)};
      case Work::kMerge:
        return {.sure = Merge(row)};
      case Work::kPath:
        return {.sure = arguments_[1].IsList() ? ManyPaths(row) : Path(row)};
      case Work::kMatch:
      case Work::kMatches:
        return Match(row);
      case Work::kCompare:
        return {.sure = arguments_[0].Size(row) * PatternSteps(arguments_[1].Size(row))};
      case Work::kSquare:
        return {.sure = arguments_[0].Size(row) * arguments_[0].Size(row) / kSkippedBytes};
    }
    return {};
  }

  duckdb::PermissionException TooMuch(double much, const char* what, double most) const {
    // Of a kind that DuckDB never takes for an error of a value, see CheckCost.
    return duckdb::PermissionException(
        "Function %s would make or go through %s %s at once; at most %s are allowed. Use smaller values", call_.name,
        std::to_string(static_cast<std::int64_t>(std::min(much, 1e18))), what,
        std::to_string(static_cast<std::int64_t>(most)));
  }

 private:
  // ---- JSON

  // Half its bytes: a value has at least one, and a comma, bracket or colon.
  static double NodesAtMost(double bytes) { return bytes / 2 + 1; }

  double ContainsAtMost() const {
    const auto in = arguments_[0].SizesAtMost(rows_);
    const auto what = arguments_[1].SizesAtMost(rows_);
    const double depth = NodesAtMost(std::min(in.largest, what.largest));
    if (std::max(in.largest, what.largest) > 2 * kJsonDepthMax) return INFINITY;
    return (in.sum / 2 + static_cast<double>(rows_)) * NodesAtMost(what.largest) * depth;
  }

  // Long texts are compared, too.
  static double Compared(const JsonShape& shape, double bytes) { return shape.nodes + bytes / 64; }

  double Contains(duckdb::idx_t row) {
    const auto& in = json_.Of(arguments_[0].Text(row));
    const auto& what = other_json_.Of(arguments_[1].Text(row));
    if (std::max(in.depth, what.depth) > kJsonDepthMax) {
      throw duckdb::PermissionException("JSON exceeds maximum recursion depth of %d in %s",
                                        static_cast<int>(kJsonDepthMax), call_.name);
    }
    return Compared(in, arguments_[0].Size(row)) * Compared(what, arguments_[1].Size(row)) *
           std::max(1.0, std::min(in.depth, what.depth));
  }

  double MergeAtMost() const {
    double steps = 0;
    double before = 0;
    for (const auto& argument : arguments_) {
      const auto sizes = argument.SizesAtMost(rows_);
      const auto nodes = sizes.sum / 2 + static_cast<double>(rows_);
      steps += before * NodesAtMost(sizes.largest);
      before += nodes;
    }
    return steps;
  }

  double Merge(duckdb::idx_t row) {
    double steps = 0;
    double before = 0;
    for (const auto& argument : arguments_) {
      const double nodes = ShapeOfJson(argument.Text(row)).nodes;
      steps += before * nodes;
      before += nodes;
    }
    return steps;
  }

  // ---- paths

  double PathAtMost() {
    const auto& paths = arguments_[1];
    const double nodes = arguments_[0].SizesAtMost(rows_).sum / 2 + static_cast<double>(rows_);
    if (paths.IsList()) return nodes * paths.SizesAtMost(rows_).largest / kElementBytes;
    if (!paths.IsText()) return 0;
    double steps = 0;
    for (duckdb::idx_t row = 0; row < (paths.IsConstant() ? 1 : rows_); ++row) {
      const auto& path = path_.Of(paths.Text(row));
      if (!path.wildcard) continue;
      if (path.recursive > 1 || paths.Size(row) > kWildcardPathBytesMax) return INFINITY;
      steps = std::max(steps, kPathStep * nodes * std::max(1, path.after));
    }
    return steps;
  }

  double ManyPaths(duckdb::idx_t row) {
    return json_.Of(arguments_[0].Text(row)).nodes * arguments_[1].Size(row) / kElementBytes;
  }

  // From each value that the first recursive step reaches the next one goes down to all that are below it.
  double Path(duckdb::idx_t row) {
    const auto& path = path_.Of(arguments_[1].Text(row));
    if (!path.wildcard) return 0;
    if (arguments_[1].Size(row) > kWildcardPathBytesMax) {
      throw duckdb::PermissionException("A JSON path with wildcards may have %d bytes; this one of %s has more",
                                        static_cast<int>(kWildcardPathBytesMax), call_.name);
    }
    const auto& json = json_.Of(arguments_[0].Text(row));
    const double found = json.nodes * std::pow(std::max(1.0, json.depth), std::max(0, path.recursive - 1));
    found_bytes_ += kElementBytes * found;
    if (found_bytes_ > kJoinedBytesMax) throw TooMuch(found_bytes_, "bytes", kJoinedBytesMax);
    return kPathStep * found * std::max(1.0, std::min<double>(path.after, json.depth));
  }

  // ---- texts

  double PatternSteps(double size) const { return arguments_[1].IsList() ? size / kElementBytes * kFormatSteps : size; }

  double CompareAtMost() const {
    return arguments_[0].SizesAtMost(rows_).sum * PatternSteps(arguments_[1].SizesAtMost(rows_).largest);
  }

  double SquareAtMost() const {
    const auto texts = arguments_[0].SizesAtMost(rows_);
    return texts.sum * texts.largest / kSkippedBytes;
  }

  // ---- regular expressions

  double MatchAtMost() {
    const auto texts = arguments_[0].SizesAtMost(rows_);
    double size = 0;
    for (duckdb::idx_t row = 0; row < (arguments_[1].IsConstant() ? 1 : rows_); ++row) {
      size = std::max(size, pattern_.Of(arguments_[1].Text(row)));
    }
    const double again = call_.work == Work::kMatches ? texts.sum * texts.largest / kPassedBytes : 0;
    const double compiled = arguments_[1].IsConstant() ? 0 : kCompiledBytes * static_cast<double>(rows_);
    return std::max((texts.sum + compiled) * size, again);
  }

  Steps Match(duckdb::idx_t row) {
    const double bytes = arguments_[0].Size(row);
    const double compiled = arguments_[1].IsConstant() ? 0 : kCompiledBytes;
    return {.sure = (bytes + compiled) * pattern_.Of(arguments_[1].Text(row)),
            .perhaps = call_.work == Work::kMatches ? bytes * bytes / kPassedBytes : 0};
  }

  const BoundedWork& call_;
  const Arguments& arguments_;
  const duckdb::idx_t rows_;
  double found_bytes_ = 0;
  Known<JsonShape, ShapeOfJson> json_;
  Known<JsonShape, ShapeOfJson> other_json_;
  Known<PathShape, ShapeOfPath> path_;
  Known<double, PatternSize> pattern_;
};

// Where parts of the rows end.
std::vector<duckdb::idx_t> EndsOfParts(WorkCount& count, duckdb::idx_t rows) {
  std::vector<duckdb::idx_t> ends;
  double steps = 0;
  for (duckdb::idx_t row = 0; row < rows; ++row) {
    const auto of_row = count.OfRow(row);
    if (of_row.sure > kStepsMax) throw count.TooMuch(of_row.sure, "steps", kStepsMax);
    if (row > 0 && steps + of_row.most() > kPartSteps) {
      ends.push_back(row);
      steps = 0;
    }
    steps += of_row.most();
  }
  ends.push_back(rows);
  return ends;
}

}  // namespace

std::optional<Work> WorkOf(std::string_view function) {
  const auto* const found = std::ranges::find(kWorks, function, &std::pair<std::string_view, Work>::first);
  if (found == kWorks.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string_view> FunctionsOfWork() {
  std::vector<std::string_view> names;
  for (const auto& [name, work] : kWorks) names.push_back(name);
  return names;
}

void BoundedWork::operator()(duckdb::DataChunk& arguments, duckdb::ExpressionState& state,
                             duckdb::Vector& result) const {
  Arguments sizes;
  for (const auto& vector : arguments.data) sizes.emplace_back(vector);
  const auto rows = arguments.AllConstant() ? std::min<duckdb::idx_t>(1, arguments.size()) : arguments.size();
  WorkCount count(*this, sizes, rows);
  if (count.AtMost() <= kPartSteps) return inner(arguments, state, result);
  const auto ends = EndsOfParts(count, rows);
  if (ends.size() == 1) return inner(arguments, state, result);
  duckdb::idx_t begin = 0;
  for (const auto end : ends) {
    if (state.HasContext()) state.GetContext().InterruptCheck();
    duckdb::DataChunk part;
    part.InitializeEmpty(arguments.GetTypes());
    part.Slice(arguments, begin, end);
    duckdb::Vector made(result.GetType());
    inner(part, state, made);
    duckdb::VectorOperations::Copy(made, result, end - begin, 0, begin);
    begin = end;
  }
}

}  // namespace hyprstream::engine
