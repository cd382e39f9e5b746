#include "server/backend_check.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <format>
#include <memory>

#include "backend/backend_registry.h"
#include "backend/backend_report.h"
#include "backend/backend_spec.h"
#include "base/nearest_name.h"
#include "base/standard_output.h"
#include "config/command_line.h"
#include "config/load_config.h"
#include "server/configured_backends.h"

namespace hyprstream::server {
namespace {

using backend::BackendReport;
using backend::BackendSpec;
using backend::TableReport;

constexpr int kWell = 0;
constexpr int kFailed = 1;
constexpr int kBadUsage = 2;

// On one line: drivers write several.
void Complain(std::string message) {
  std::ranges::replace_if(message, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  std::fprintf(stderr, "hyprstream: %s\n", message.c_str());
}

// The backends that are meant. KeyError, with the nearest name, for one that the configuration has not.
arrow::Result<std::vector<BackendSpec>> Chosen(std::vector<BackendSpec> specs, const std::vector<std::string>& names) {
  if (names.empty()) return specs;
  std::vector<BackendSpec> chosen;
  for (const auto& name : names) {
    const auto found = std::ranges::find(specs, name, &BackendSpec::name);
    if (found == specs.end()) {
      std::vector<std::string> known;
      for (const auto& spec : specs) known.push_back(spec.name);
      return arrow::Status::KeyError("The configuration has no [backends.", name, "]", DidYouMean(name, known));
    }
    chosen.push_back(*found);
  }
  return chosen;
}

std::string RenderColumns(const TableReport& table) {
  using Cells = std::array<std::string, 4>;
  std::vector<Cells> rows;
  std::array<std::size_t, 4> widths{};
  for (const auto& column : table.columns) {
    std::string remarks = column.nullable ? "" : "never NULL";
    if (!column.compares) remarks += std::string(remarks.empty() ? "" : "; ") + "conditions are evaluated here";
    rows.push_back({column.name, column.declared, column.type->ToString(), std::move(remarks)});
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], rows.back()[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line =
        std::format("    {:<{}}  {:<{}}  {:<{}}  {}", row[0], widths[0], row[1], widths[1], row[2], widths[2], row[3]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string RenderTable(const TableReport& table) {
  std::string text = std::format("  {}.{}", table.schema, table.name);
  if (table.is_view) text += " (a view, not read)";
  if (table.rows) text += std::format(", about {} rows", *table.rows);
  if (!table.problem.ok()) text += ": cannot be read: " + table.problem.message();
  return text + "\n" + RenderColumns(table);
}

// True: it answered, and every table that was looked at can be read.
bool Check(const BackendSpec& spec, std::size_t tables_max, backend::BackendRegistry& registry) {
  const auto attached = registry.Attach(spec);
  const auto report =
      attached.ok() ? registry.Inspect(spec.name, tables_max) : arrow::Result<BackendReport>(attached.status());
  if (!report.ok()) {
    Complain(std::format("backend {} ({}): {}", spec.name, backend::Describe(spec), report.status().message()));
    return false;
  }
  if (const arrow::Status printed = Print(RenderReport(spec, *report)); !printed.ok()) {
    Complain(printed.message());
    return false;
  }
  const auto unreadable = std::ranges::count_if(report->tables, [](const auto& table) { return !table.problem.ok(); });
  if (unreadable > 0) Complain(std::format("backend {}: {} of its tables cannot be read", spec.name, unreadable));
  return unreadable == 0;
}

}  // namespace

std::string RenderReport(const BackendSpec& spec, const BackendReport& report) {
  std::string text = std::format("{}: {}\n", spec.name, backend::Describe(spec));
  text += std::format("  {}answers in {:.1f} ms; statements {} be cancelled; their columns are {} they run; {}\n",
                      report.version.empty() ? "" : "version " + report.version + "; ",
                      static_cast<double>(report.answered_in.count()) / 1000, report.cancels ? "can" : "cannot",
                      report.describes_statements ? "known before" : "not known until",
                      report.statistics ? "the driver has statistics" : "the driver has no statistics");
  for (const auto& table : report.tables) text += RenderTable(table);
  if (report.tables.empty()) text += "  no tables\n";
  if (report.tables_left_out > 0) text += std::format("  and {} more (--tables)\n", report.tables_left_out);
  return text;
}

int CheckBackends(const config::BackendsCheckCommand& command) {
  const auto chosen = [&]() -> arrow::Result<std::pair<std::vector<BackendSpec>, std::string>> {
    ARROW_ASSIGN_OR_RAISE(const auto settings, config::LoadConfig(command.inputs));
    ARROW_ASSIGN_OR_RAISE(auto specs, SpecsOf(settings.values.backends));
    ARROW_ASSIGN_OR_RAISE(specs, Chosen(std::move(specs), command.names));
    if (specs.empty()) {
      return arrow::Status::Invalid("The configuration names no backend; add [backends.NAME] to the file of --config");
    }
    return std::pair(std::move(specs), DriverFolder(settings.values));
  }();
  if (!chosen.ok()) {
    Complain(chosen.status().message());
    return kBadUsage;
  }
  const auto& [specs, folder] = *chosen;
  const auto registry = backend::BackendRegistry::Make({.driver_folder = folder, .own_database = {}});
  bool well = true;
  for (auto spec : specs) {
    spec.may_be_down = false;
    well = Check(spec, command.tables_max, *registry) && well;
  }
  return well ? kWell : kFailed;
}

}  // namespace hyprstream::server
