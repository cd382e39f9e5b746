// Queries, batches and readings for the tests of this folder.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/view_state.h"
#include "arrow/array/array_base.h"
#include "arrow/json/from_string.h"
#include "arrow/record_batch.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "core/aggregate_functions.h"

namespace hyprstream::aggregate {

struct TestKey {
  std::string name;
  std::shared_ptr<arrow::DataType> type;
};

// One type or several; null for count(*).
struct TestArguments {
  using Type = std::shared_ptr<arrow::DataType>;

  TestArguments(std::nullptr_t) {}
  TestArguments(Type type) : types{std::move(type)} {}
  TestArguments(std::initializer_list<Type> several) : types(several) {}

  std::vector<Type> types;
};

struct TestAggregate {
  AggregateKind kind;
  TestArguments arguments;
  std::shared_ptr<arrow::DataType> result;
  std::vector<double> parameters = {};

  bool of_argument_type() const {
    if (kind == AggregateKind::kQuantileDisc || kind == AggregateKind::kApproxQuantile) {
      return result->id() != arrow::Type::LIST;
    }
    return FunctionOf(kind).of_argument_type;
  }
};

// SELECT keys..., aggregates... as a0, a1, ...; each aggregate has argument columns of its own.
inline std::shared_ptr<AggregateQuery> MakeTestQuery(const std::vector<TestKey>& keys, int window_key,
                                                     const std::vector<TestAggregate>& aggregates) {
  auto query = std::make_shared<AggregateQuery>();
  query->view = {.schema = "main", .name = "sales_5m"};
  query->base = {.schema = "main", .name = "sales"};
  query->definition = "SELECT ...";
  query->time_zone = "UTC";
  query->window_key = window_key;
  arrow::FieldVector evaluated;
  arrow::FieldVector output;
  for (const TestKey& key : keys) {
    query->key_sql.push_back(key.name);
    query->output.push_back({.name = key.name, .is_key = true, .index = static_cast<int>(evaluated.size())});
    evaluated.push_back(arrow::field(key.name, key.type));
    output.push_back(arrow::field(key.name, key.type));
  }
  for (std::size_t i = 0; i < aggregates.size(); ++i) {
    const std::string name = "a" + std::to_string(i);
    const TestAggregate& aggregate = aggregates[i];
    std::vector<int> arguments;
    for (const auto& type : aggregate.arguments.types) {
      arguments.push_back(static_cast<int>(evaluated.size()));
      evaluated.push_back(arrow::field("x" + std::to_string(evaluated.size()), type));
      query->argument_sql.push_back(name);
    }
    query->aggregates.push_back({.kind = aggregate.kind,
                                 .arguments = arguments,
                                 .parameters = aggregate.parameters,
                                 .result_type = aggregate.result,
                                 .of_argument_type = aggregate.of_argument_type()});
    query->output.push_back({.name = name, .is_key = false, .index = static_cast<int>(i)});
    output.push_back(arrow::field(name, aggregate.result));
  }
  query->evaluated_schema = arrow::schema(evaluated);
  query->output_schema = arrow::schema(output);
  return query;
}

// A batch of the query's evaluated schema from one JSON list a column.
inline std::shared_ptr<arrow::RecordBatch> MakeTestBatch(const AggregateQuery& query,
                                                         const std::vector<std::string>& columns) {
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto& type = query.evaluated_schema->field(static_cast<int>(i))->type();
    arrays.push_back(arrow::json::ArrayFromJSONString(type, columns[i]).ValueOrDie());
  }
  const std::int64_t rows = arrays.empty() ? 0 : arrays.front()->length();
  return arrow::RecordBatch::Make(query.evaluated_schema, rows, std::move(arrays));
}

// Each row as its values joined by " | ".
inline std::vector<std::string> RowsOf(arrow::RecordBatchReader& reader) {
  std::vector<std::string> rows;
  for (const auto& batch : reader.ToRecordBatches().ValueOrDie()) {
    for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
      std::string text;
      for (const auto& column : batch->columns()) {
        text += (text.empty() ? "" : " | ") + column->GetScalar(row).ValueOrDie()->ToString();
      }
      rows.push_back(text);
    }
  }
  return rows;
}

inline ScanRequest AllColumns(const TableSource& source) {
  ScanRequest request;
  for (int i = 0; i < source.schema()->num_fields(); ++i) request.projection.push_back(i);
  return request;
}

inline std::vector<std::string> RowsOf(const std::shared_ptr<const ViewVersion>& version) {
  const auto source = MakeViewSource(version);
  return RowsOf(*source->Scan(AllColumns(*source)).ValueOrDie());
}

inline void FoldAndMerge(ViewState& state, const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
  state.Merge(*state.Fold(batches).ValueOrDie());
}

}  // namespace hyprstream::aggregate
