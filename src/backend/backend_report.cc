#include "backend/backend_report.h"

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/type.h>

#include <numeric>
#include <utility>

#include "backend/backend_scan.h"
#include "backend/layout_cache.h"

namespace hyprstream::backend {
namespace {

std::vector<ColumnReport> ColumnsOf(const TableLayout& layout) {
  std::vector<ColumnReport> columns;
  for (std::size_t i = 0; i < layout.columns.size(); ++i) {
    const auto& field = *layout.schema->field(static_cast<int>(i));
    columns.push_back({.name = field.name(),
                       .declared = layout.columns[i].declared,
                       .type = field.type(),
                       .nullable = field.nullable(),
                       .compares = layout.columns[i].comparable != Comparable::kNone});
  }
  return columns;
}

// Through the same scan that a query would use.
arrow::Status ReadRow(const TableSource& source) {
  ScanRequest request{.projection = {}, .filters = {}, .rows_max = 1};
  request.projection.resize(static_cast<std::size_t>(source.schema()->num_fields()));
  std::iota(request.projection.begin(), request.projection.end(), 0);
  ARROW_ASSIGN_OR_RAISE(const auto rows, source.Scan(request));
  std::shared_ptr<arrow::RecordBatch> batch;
  do {
    ARROW_RETURN_NOT_OK(rows->ReadNext(&batch));
  } while (batch != nullptr);
  return rows->Close();
}

TableReport InspectTable(const std::shared_ptr<BackendCore>& core, const std::shared_ptr<LayoutCache>& cache,
                         const BackendTable& table) {
  TableReport report{.schema = table.schema,
                     .name = table.name,
                     .is_view = table.is_view,
                     .rows = {},
                     .columns = {},
                     .problem = arrow::Status::OK()};
  auto layout = cache->Layout(table.schema, table.name);
  if (!layout.ok()) {
    report.problem = layout.status();
    return report;
  }
  report.rows = (*layout)->rows;
  report.columns = ColumnsOf(**layout);
  if (table.is_view) return report;  // one row may be as dear as all of them
  report.problem = ReadRow(*ScanOfTable(core, cache, table.schema, table.name, std::move(layout).ValueUnsafe()));
  return report;
}

}  // namespace

arrow::Result<BackendReport> Inspect(const std::shared_ptr<BackendCore>& core, std::size_t tables_max) {
  const auto cache = std::make_shared<LayoutCache>(core);
  ARROW_ASSIGN_OR_RAISE(const auto abilities, core->Abilities());
  const auto asked = core->clock().Now();
  ARROW_ASSIGN_OR_RAISE(const auto schemas, cache->Schemas());
  BackendReport report{
      .version = core->info().driver_version,
      .answered_in = std::chrono::duration_cast<std::chrono::microseconds>(core->clock().Now() - asked),
      .cancels = abilities.cancels,
      .describes_statements = core->dialect().describes_statements(),
      .statistics = abilities.statistics,
      .tables = {},
  };
  for (const auto& schema : schemas) {
    ARROW_ASSIGN_OR_RAISE(const auto tables, cache->Tables(schema));
    for (const auto& table : tables) {
      if (report.tables.size() == tables_max) {
        ++report.tables_left_out;
        continue;
      }
      report.tables.push_back(InspectTable(core, cache, table));
      const auto& problem = report.tables.back().problem;
      if (problem.IsIOError() || problem.IsCancelled()) return problem;  // it is the database that has gone
    }
  }
  return report;
}

}  // namespace hyprstream::backend
