#include "select_plan.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "cell_internal.h"
#include "failure.h"

namespace adbc_redis {
namespace {

using Kind = sql::Condition::Kind;

// One value with its parameter looked up: false when it is NULL.
template <class OfLiteral, class OfArray>
arrow::Result<bool> Look(const sql::Value& value, const arrow::RecordBatch* parameters, int64_t row,
                         OfLiteral of_literal, OfArray of_array) {
  if (value.kind == sql::Value::Kind::kNull) return false;
  if (value.kind != sql::Value::Kind::kParameter) {
    ARROW_RETURN_NOT_OK(of_literal(value));
    return true;
  }
  const arrow::Array& column = *parameters->column(value.parameter);
  if (column.type_id() == arrow::Type::NA || column.IsNull(row)) return false;
  ARROW_RETURN_NOT_OK(of_array(column));
  return true;
}

arrow::Status NotHere(const Table& table, const std::string& column, std::string_view what) {
  std::string able = "the table has neither primary key nor time column";
  if (table.has_key()) able = "its primary key is " + table.present_field();
  if (table.time >= 0) able += ", its time column " + table.schema->field(table.time)->name();
  return Fail(ADBC_STATUS_NOT_IMPLEMENTED, std::string(what) + " column " + column + " of table " + table.name +
                                               " is not answered here (" + able +
                                               "): read the rows and filter them yourself");
}

void Narrow(Scan& scan, std::optional<Wide> least, std::optional<Wide> most) {
  if (least && (!scan.least || *least > *scan.least)) scan.least = least;
  if (most && (!scan.most || *most < *scan.most)) scan.most = most;
}

arrow::Status ApplyTime(const SelectPlan& plan, const sql::Condition& condition, const arrow::RecordBatch* parameters,
                        int64_t row, Scan& scan) {
  const arrow::DataType& type = *plan.table->schema->field(plan.table->time)->type();
  std::vector<Wide> times;
  for (const sql::Value& value : condition.values) {
    Wide time = 0;
    ARROW_ASSIGN_OR_RAISE(
        const bool known,
        Look(
            value, parameters, row, [&](const sql::Value& literal) { return ReadTime(literal, type).Value(&time); },
            [&](const arrow::Array& array) { return ReadTime(array, row, type).Value(&time); }));
    if (!known) scan.empty = true;
    times.push_back(time);
  }
  switch (condition.kind) {
    case Kind::kLess:
      Narrow(scan, {}, times[0] - 1);
      break;
    case Kind::kLessOrEqual:
      Narrow(scan, {}, times[0]);
      break;
    case Kind::kGreater:
      Narrow(scan, times[0] + 1, {});
      break;
    case Kind::kGreaterOrEqual:
      Narrow(scan, times[0], {});
      break;
    default:
      Narrow(scan, times.front(), times.back());
  }
  return arrow::Status::OK();
}

arrow::Result<int64_t> ResolveLimit(const sql::Value& limit, const arrow::RecordBatch* parameters, int64_t row) {
  std::string text;
  ARROW_ASSIGN_OR_RAISE(
      const bool known,
      Look(
          limit, parameters, row, [&](const sql::Value& value) { return WriteCell(value, *arrow::int64(), text); },
          [&](const arrow::Array& array) { return WriteCell(array, row, *arrow::int64(), text); }));
  if (!known) return INT64_MAX;
  int64_t count = -1;
  std::from_chars(text.data(), text.data() + text.size(), count);
  if (count < 0) return Fail(ADBC_STATUS_INVALID_ARGUMENT, "LIMIT must not be negative: " + text);
  return count;
}

void NoteType(const std::vector<sql::Value>& values, const std::shared_ptr<arrow::DataType>& type,
              arrow::FieldVector& fields) {
  for (const sql::Value& value : values) {
    if (value.kind != sql::Value::Kind::kParameter) continue;
    fields[static_cast<size_t>(value.parameter)] = arrow::field(std::to_string(value.parameter), type);
  }
}

arrow::Status NoteConditions(const Table& table, const std::vector<sql::Condition>& conditions,
                             arrow::FieldVector& fields) {
  for (const sql::Condition& condition : conditions) {
    ARROW_ASSIGN_OR_RAISE(const int column, FindColumn(table, condition.column));
    NoteType(condition.values, table.schema->field(column)->type(), fields);
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<int> FindColumn(const Table& table, const std::string& name) {
  int column = table.schema->GetFieldIndex(name);
  for (int i = 0; column < 0 && i < table.schema->num_fields(); ++i) {  // a name that was folded to lower case
    const std::string& other = table.schema->field(i)->name();
    const bool same = std::ranges::equal(other, name, [](char a, char b) {
      const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
      return lower(a) == lower(b);
    });
    if (same) column = i;
  }
  if (column >= 0) return column;
  return Fail(
      ADBC_STATUS_NOT_FOUND, "Unknown column: " + Printable(name) + " (table " + table.name + " has " + [&] {
        std::string all;
        for (const auto& field : table.schema->fields()) all += (all.empty() ? "" : ", ") + field->name();
        return all;
      }() + ")");
}

arrow::Result<SelectPlan> SelectPlan::Make(const sql::Select& select, std::shared_ptr<const Table> table) {
  SelectPlan plan;
  plan.table = std::move(table);
  plan.descending = select.descending;
  plan.limit = select.limit;
  const Table& from = *plan.table;
  for (const std::string& name : select.columns) {
    ARROW_ASSIGN_OR_RAISE(const int column, FindColumn(from, name));
    plan.columns.push_back(column);
  }
  for (int i = 0; select.columns.empty() && i < from.schema->num_fields(); ++i) plan.columns.push_back(i);
  arrow::FieldVector fields;
  for (const int column : plan.columns) fields.push_back(from.schema->field(column));
  plan.schema = arrow::schema(std::move(fields));
  for (const sql::Condition& condition : select.where) {
    ARROW_ASSIGN_OR_RAISE(const int column, FindColumn(from, condition.column));
    const bool by_key = condition.kind == Kind::kEqual || condition.kind == Kind::kIn;
    if (column == from.key && by_key) {
      plan.key_conditions.push_back(condition);
    } else if (column == from.time && condition.kind != Kind::kIn) {
      plan.time_conditions.push_back(condition);
    } else {
      return NotHere(from, condition.column, "This condition on");
    }
  }
  if (!select.order_by.empty()) {
    ARROW_ASSIGN_OR_RAISE(const int column, FindColumn(from, select.order_by));
    if (column != from.time) return NotHere(from, select.order_by, "ORDER BY");
    plan.ordered = true;
  }
  return plan;
}

arrow::Result<std::vector<std::string>> ResolveKeys(const Table& table, const std::vector<sql::Condition>& conditions,
                                                    const arrow::RecordBatch* parameters, int64_t row) {
  const arrow::DataType& type = *table.schema->field(table.key)->type();
  std::vector<std::string> left;
  for (size_t i = 0; i < conditions.size(); ++i) {
    std::vector<std::string> keys;
    for (const sql::Value& value : conditions[i].values) {
      std::string text;
      ARROW_ASSIGN_OR_RAISE(
          const bool known,
          Look(
              value, parameters, row, [&](const sql::Value& literal) { return WriteCell(literal, type, text); },
              [&](const arrow::Array& array) { return WriteCell(array, row, type, text); }));
      if (known) keys.push_back(std::move(text));
    }
    std::ranges::sort(keys);
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    if (i == 0) {
      left = std::move(keys);
    } else {
      std::vector<std::string> both;
      std::ranges::set_intersection(left, keys, std::back_inserter(both));
      left = std::move(both);
    }
  }
  return left;
}

arrow::Result<Scan> ResolveScan(const SelectPlan& plan, const arrow::RecordBatch* parameters, int64_t row) {
  Scan scan;
  if (!plan.key_conditions.empty()) {
    ARROW_ASSIGN_OR_RAISE(scan.keys, ResolveKeys(*plan.table, plan.key_conditions, parameters, row));
  }
  for (const sql::Condition& condition : plan.time_conditions) {
    ARROW_RETURN_NOT_OK(ApplyTime(plan, condition, parameters, row, scan));
  }
  if (plan.limit) {
    ARROW_ASSIGN_OR_RAISE(scan.limit, ResolveLimit(*plan.limit, parameters, row));
  }
  if (scan.least && scan.most && *scan.least > *scan.most) scan.empty = true;
  if (scan.limit == 0 || (scan.keys && scan.keys->empty())) scan.empty = true;
  return scan;
}

arrow::Result<std::shared_ptr<arrow::Schema>> ParameterSchema(const sql::Statement& statement, const Table* table) {
  arrow::FieldVector fields;
  for (int i = 0; i < statement.parameters; ++i) fields.push_back(arrow::field(std::to_string(i), arrow::null()));
  if (const auto* select = std::get_if<sql::Select>(&statement.command)) {
    ARROW_RETURN_NOT_OK(NoteConditions(*table, select->where, fields));
    if (select->limit) NoteType({*select->limit}, arrow::int64(), fields);
  } else if (const auto* removal = std::get_if<sql::Delete>(&statement.command); removal != nullptr && removal->where) {
    ARROW_RETURN_NOT_OK(NoteConditions(*table, {*removal->where}, fields));
  } else if (const auto* update = std::get_if<sql::Update>(&statement.command)) {
    ARROW_RETURN_NOT_OK(NoteConditions(*table, {update->where}, fields));
    for (size_t i = 0; i < update->columns.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(const int column, FindColumn(*table, update->columns[i]));
      NoteType({update->values[i]}, table->schema->field(column)->type(), fields);
    }
  } else if (const auto* insert = std::get_if<sql::Insert>(&statement.command)) {
    for (const std::vector<sql::Value>& row : insert->rows) {
      for (size_t i = 0; i < row.size(); ++i) {
        int column = static_cast<int>(i);
        if (!insert->columns.empty() && i < insert->columns.size()) {
          ARROW_ASSIGN_OR_RAISE(column, FindColumn(*table, insert->columns[i]));
        }
        if (column < table->schema->num_fields()) NoteType({row[i]}, table->schema->field(column)->type(), fields);
      }
    }
  }
  return arrow::schema(std::move(fields));
}

arrow::Status CheckBound(int parameters, const arrow::RecordBatch* bound) {
  const int given = bound == nullptr ? 0 : bound->num_columns();
  if (given >= parameters) return arrow::Status::OK();
  return Fail(ADBC_STATUS_INVALID_STATE, "The statement takes " + std::to_string(parameters) + " parameters, " +
                                             std::to_string(given) + " are bound");
}

}  // namespace adbc_redis
