// Queries that are made by hand, and their answers.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <memory>
#include <string>
#include <utility>

#include "core/backend.h"

namespace hyprstream::testing {

inline RemoteExpression Column(int column, const TableSource& table) {
  return {.kind = RemoteExpression::Kind::kColumn, .type = table.schema()->field(column)->type(), .column = column};
}

inline RemoteRelation Whole(const std::shared_ptr<TableSource>& table) {
  RemoteRelation relation{.kind = RemoteRelation::Kind::kTable, .table = table};
  for (int i = 0; i < table->schema()->num_fields(); ++i) relation.columns.push_back(i);
  return relation;
}

// One row: `function` of each column.
inline RemoteRelation Aggregate(const std::shared_ptr<TableSource>& table, const std::string& function,
                                const std::shared_ptr<arrow::DataType>& type) {
  RemoteRelation relation{.kind = RemoteRelation::Kind::kAggregate};
  relation.inputs.push_back(Whole(table));
  for (int i = 0; i < table->schema()->num_fields(); ++i) {
    relation.aggregates.push_back({.function = function, .arguments = {Column(i, *table)}, .type = type});
  }
  return relation;
}

// The values of the first row, or what went wrong.
inline std::string FirstRow(const Backend& backend, const RemoteRelation& query) {
  const auto run = [&]() -> arrow::Result<std::string> {
    ARROW_ASSIGN_OR_RAISE(const auto plan, backend.Plan(query));
    ScanRequest request;
    for (int i = 0; i < plan.rows->schema()->num_fields(); ++i) request.projection.push_back(i);
    ARROW_ASSIGN_OR_RAISE(const auto reader, plan.rows->Scan(request));
    ARROW_ASSIGN_OR_RAISE(const auto table, reader->ToTable());
    std::string text;
    for (int i = 0; i < table->num_columns(); ++i) {
      ARROW_ASSIGN_OR_RAISE(const auto value, table->column(i)->GetScalar(0));
      text += (i == 0 ? "" : ",") + value->ToString();
    }
    return text;
  };
  const auto text = run();
  return text.ok() ? *text : text.status().ToString();
}

}  // namespace hyprstream::testing
