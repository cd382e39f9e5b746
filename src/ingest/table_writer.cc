#include "ingest/table_writer.h"

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/nearest_name.h"
#include "ingest/batch_check.h"

namespace hyprstream::ingest {

namespace {

const arrow::DataType& ValueType(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DICTIONARY) return *static_cast<const arrow::DictionaryType&>(type).value_type();
  if (type.id() == arrow::Type::RUN_END_ENCODED)
    return *static_cast<const arrow::RunEndEncodedType&>(type).value_type();
  return type;
}

enum class TypeFamily { kText, kBinary, kNumber, kBool, kTime, kNested, kNull, kOther };

TypeFamily FamilyOf(const arrow::DataType& type) {
  const auto& value = ValueType(type);
  if (arrow::is_string(value.id()) || value.id() == arrow::Type::STRING_VIEW) return TypeFamily::kText;
  if (arrow::is_binary_like(value.id()) || arrow::is_large_binary_like(value.id()) ||
      value.id() == arrow::Type::BINARY_VIEW || value.id() == arrow::Type::FIXED_SIZE_BINARY) {
    return TypeFamily::kBinary;
  }
  if (arrow::is_numeric(value.id()) || arrow::is_decimal(value.id())) return TypeFamily::kNumber;
  if (value.id() == arrow::Type::BOOL) return TypeFamily::kBool;
  if (arrow::is_temporal(value.id())) return TypeFamily::kTime;
  if (arrow::is_nested(value.id())) return TypeFamily::kNested;
  if (value.id() == arrow::Type::NA) return TypeFamily::kNull;
  return TypeFamily::kOther;
}

bool CanTake(const arrow::DataType& table, const arrow::DataType& incoming) {
  const auto from = FamilyOf(incoming);
  return from == TypeFamily::kNull || from == TypeFamily::kOther || FamilyOf(table) == TypeFamily::kOther ||
         from == FamilyOf(table) || (from == TypeFamily::kBool && FamilyOf(table) == TypeFamily::kNumber);
}

}  // namespace

arrow::Result<std::unique_ptr<TableWriter>> TableWriter::Make(engine::Connection& connection, const TableRef& table,
                                                              const std::shared_ptr<arrow::Schema>& incoming,
                                                              TableWriterOptions options) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, connection.ArrowSchemaOf(table));
  std::unique_ptr<TableWriter> writer(new TableWriter(table, incoming, options));
  const auto names = schema->field_names();
  if (incoming->num_fields() == 0) {
    return arrow::Status::Invalid("The batches for ", table.ToString(), " have no columns; it has ", names.size());
  }
  bool same_order = incoming->num_fields() == schema->num_fields();
  std::set<int> taken;
  for (int column = 0; column < incoming->num_fields(); ++column) {
    const auto& field = incoming->field(column);
    const auto found = std::ranges::find_if(
        names, [&](const auto& name) { return FoldIdentifier(name) == FoldIdentifier(field->name()); });
    if (found == names.end()) {
      return arrow::Status::Invalid("Table ", table.ToString(), " has no column ", field->name(),
                                    DidYouMean(field->name(), names), "; it has ", names.size(), " columns, the batch ",
                                    incoming->num_fields());
    }
    const int index = static_cast<int>(found - names.begin());
    if (!taken.insert(index).second) return arrow::Status::Invalid("Column ", *found, " is given twice");
    if (!CanTake(*schema->field(index)->type(), *field->type())) {
      return arrow::Status::Invalid("Column ", *found, " of ", table.ToString(), " is ",
                                    schema->field(index)->type()->ToString(), " but the batch has ",
                                    field->type()->ToString(), "; send that type or cast it before");
    }
    same_order = same_order && index == column;
    writer->columns_.push_back(*found);
  }
  if (same_order) writer->columns_.clear();
  return writer;
}

arrow::Status TableWriter::Check(const arrow::RecordBatch& batch) const {
  ARROW_RETURN_NOT_OK(CheckBatch(batch, options_.batch_bytes_max));
  if (!batch.schema()->Equals(*incoming_, /*check_metadata=*/false)) {
    return arrow::Status::Invalid("A batch's schema differs from the stream's first message");
  }
  return arrow::Status::OK();
}

arrow::Status TableWriter::Append(engine::Connection& connection,
                                  const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) const {
  return options_.keep_rows ? connection.Append(table_, columns_, batches) : connection.Take(table_, columns_, batches);
}

}  // namespace hyprstream::ingest
