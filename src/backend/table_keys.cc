#include "backend/table_keys.h"

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <utility>

#include "backend/driver_objects.h"

namespace hyprstream::backend {
namespace {

enum {
  kKind,
  kSchema,
  kTable,
  kName,
  kNumber,
  kColumn,
  kOtherSchema,
  kOtherTable,
  kOtherColumn,
  kOtherName,
  kOnUpdate,
  kOnDelete,
  kKeyFields
};

BackendKey::Rule RuleOf(const std::string& letter) {
  if (letter == "c") return BackendKey::Rule::kCascade;
  if (letter == "r") return BackendKey::Rule::kRestrict;
  if (letter == "n") return BackendKey::Rule::kSetNull;
  return letter == "d" ? BackendKey::Rule::kSetDefault : BackendKey::Rule::kNoAction;
}

}  // namespace

arrow::Result<std::vector<BackendKey>> KeysOf(const TextRows& rows) {
  std::vector<BackendKey> keys;
  std::string last;
  for (const auto& row : rows) {
    if (row.size() != kKeyFields) return arrow::Status::Invalid("The catalog answered in another shape");
    const auto text = [&](int field) { return row[static_cast<std::size_t>(field)].value_or(""); };
    std::string which;
    for (const int field : {kKind, kSchema, kTable, kName, kNumber}) which += text(field) + std::string(1, '\0');
    if (which != last) {
      BackendKey key{.table = {.schema = text(kSchema), .name = text(kTable)}, .name = text(kName), .columns = {}};
      if (text(kKind) == "f") {
        key.referenced = {.schema = text(kOtherSchema), .name = text(kOtherTable)};
        key.referenced_name = text(kOtherName);
        key.on_update = RuleOf(text(kOnUpdate));
        key.on_delete = RuleOf(text(kOnDelete));
      }
      keys.push_back(std::move(key));
      last = std::move(which);
    }
    keys.back().columns.push_back(text(kColumn));
    if (keys.back().is_foreign()) keys.back().referenced_columns.push_back(text(kOtherColumn));
  }
  return keys;
}

arrow::Result<std::vector<BackendKey>> KeysIn(const std::vector<std::shared_ptr<arrow::RecordBatch>>& catalogs,
                                              const std::map<std::string, NamedSchema>& schemas) {
  // Empty: it has none.
  const auto called = [&](const NamedSchema& schema) -> std::string {
    for (const auto& [name, known] : schemas) {
      if (known == schema) return name;
    }
    // A driver may name what its database has not.
    return schemas.size() == 1 && schemas.begin()->second == NamedSchema() ? schemas.begin()->first : std::string();
  };
  std::vector<BackendKey> keys;
  for (const auto& batch : catalogs) {
    ARROW_ASSIGN_OR_RAISE(const auto constraints, ConstraintsIn(*batch));
    for (const auto& constraint : constraints) {
      BackendKey key{.table = {.schema = called(constraint.table.schema), .name = constraint.table.name},
                     .name = constraint.name,
                     .columns = constraint.columns};
      if (key.table.schema.empty()) continue;
      if (constraint.kind == "FOREIGN KEY") {
        if (constraint.usages.empty() || constraint.usages.size() != constraint.columns.size()) continue;
        const auto& first = constraint.usages[0].table;
        key.referenced = {.schema = called(first.schema), .name = first.name};
        if (key.referenced.schema.empty()) continue;
        for (const auto& usage : constraint.usages) key.referenced_columns.push_back(usage.column);
      } else if (constraint.kind != "PRIMARY KEY") {
        continue;
      }
      keys.push_back(std::move(key));
    }
  }
  return keys;
}

}  // namespace hyprstream::backend
