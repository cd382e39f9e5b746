#include "flight/key_rows.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "core/backend.h"

namespace hyprstream::flight {

namespace sql = arrow::flight::sql;

namespace {

using Text = std::optional<std::string>;

// Columns of texts and numbers as the specification has them, row by row.
struct KeyRow {
  std::vector<Text> texts;
  std::int32_t place = 1;  // of the column in its key, from 1
  std::uint8_t on_update = 0;
  std::uint8_t on_delete = 0;
};

// Where the specification has what.
struct KeyColumns {
  std::vector<int> texts;
  int place;
  int on_update = -1;  // -1: it has none
  int on_delete = -1;
  std::vector<std::size_t> order;  // of rows: by these texts, then by place, then by all texts
};

// Catalog, schema, table, column; place; the key's name.
const KeyColumns kPrimary{.texts = {0, 1, 2, 3, 5}, .place = 4, .order = {0, 1, 2, 4}};
// The same of the parent and of the child; place; the names of the child's and the parent's key; the rules. In the
// order of the parents and their keys, or of the children and theirs.
KeyColumns Foreign(bool by_child) {
  return {.texts = {0, 1, 2, 3, 4, 5, 6, 7, 9, 10},
          .place = 8,
          .on_update = 11,
          .on_delete = 12,
          .order = by_child ? std::vector<std::size_t>{4, 5, 6, 8} : std::vector<std::size_t>{0, 1, 2, 9}};
}

Text Named(const std::string& name) { return name.empty() ? Text() : Text(name); }

bool Matches(const sql::TableRef* wanted, const std::string& catalog, const TableRef& table) {
  if (wanted == nullptr) return true;
  const auto same = [](const Text& name, const std::string& other) {
    return !name || name->empty() || FoldIdentifier(*name) == FoldIdentifier(other);
  };
  return same(wanted->catalog, catalog) && same(wanted->db_schema, table.schema) &&
         FoldIdentifier(wanted->table) == FoldIdentifier(table.name);
}

void TakeRows(const KeyColumns& columns, const arrow::RecordBatchVector& batches, std::vector<KeyRow>& rows) {
  for (const auto& batch : batches) {
    const auto rule = [&](int column, std::int64_t row) -> std::uint8_t {
      return column < 0 ? 0 : static_cast<const arrow::UInt8Array&>(*batch->column(column)).Value(row);
    };
    for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
      KeyRow taken{.texts = {},
                   .place = static_cast<const arrow::Int32Array&>(*batch->column(columns.place)).Value(row),
                   .on_update = rule(columns.on_update, row),
                   .on_delete = rule(columns.on_delete, row)};
      for (const int column : columns.texts) {
        const auto& texts = static_cast<const arrow::StringArray&>(*batch->column(column));
        taken.texts.push_back(texts.IsNull(row) ? Text() : Text(texts.GetString(row)));
      }
      rows.push_back(std::move(taken));
    }
  }
}

// What the parent's key is called: as the database says, or as its primary key, where that is what is referred to.
Text ReferencedName(const std::vector<BackendKey>& keys, const BackendKey& key) {
  if (!key.referenced_name.empty()) return key.referenced_name;
  const auto found = std::ranges::find_if(keys, [&](const BackendKey& other) {
    return !other.is_foreign() && other.table == key.referenced && other.columns == key.referenced_columns;
  });
  return found == keys.end() ? Text() : Named(found->name);
}

void TakeForeign(const session::CatalogKeys& backend, const BackendKey& key, std::vector<KeyRow>& rows) {
  const auto parent_name = ReferencedName(*backend.keys, key);
  for (std::size_t i = 0; i < key.columns.size(); ++i) {
    rows.push_back(
        {.texts = {backend.catalog, key.referenced.schema, key.referenced.name, key.referenced_columns[i],
                   backend.catalog, key.table.schema, key.table.name, key.columns[i], Named(key.name), parent_name},
         .place = static_cast<std::int32_t>(i) + 1,
         .on_update = static_cast<std::uint8_t>(key.on_update),
         .on_delete = static_cast<std::uint8_t>(key.on_delete)});
  }
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> Batch(const KeyColumns& columns, std::vector<KeyRow> rows,
                                                         const std::shared_ptr<arrow::Schema>& schema) {
  std::ranges::sort(rows, [&](const KeyRow& left, const KeyRow& right) {
    for (const auto text : columns.order) {
      if (left.texts[text] != right.texts[text]) return left.texts[text] < right.texts[text];
    }
    return left.place != right.place ? left.place < right.place : left.texts < right.texts;
  });
  arrow::ArrayVector arrays(static_cast<std::size_t>(schema->num_fields()));
  for (std::size_t i = 0; i < columns.texts.size(); ++i) {
    arrow::StringBuilder builder;
    for (const auto& row : rows) {
      ARROW_RETURN_NOT_OK(row.texts[i] ? builder.Append(*row.texts[i]) : builder.AppendNull());
    }
    ARROW_RETURN_NOT_OK(builder.Finish(&arrays[static_cast<std::size_t>(columns.texts[i])]));
  }
  arrow::Int32Builder places;
  arrow::UInt8Builder on_update;
  arrow::UInt8Builder on_delete;
  for (const auto& row : rows) {
    ARROW_RETURN_NOT_OK(places.Append(row.place));
    ARROW_RETURN_NOT_OK(on_update.Append(row.on_update));
    ARROW_RETURN_NOT_OK(on_delete.Append(row.on_delete));
  }
  ARROW_RETURN_NOT_OK(places.Finish(&arrays[static_cast<std::size_t>(columns.place)]));
  if (columns.on_update >= 0) {
    ARROW_RETURN_NOT_OK(on_update.Finish(&arrays[static_cast<std::size_t>(columns.on_update)]));
    ARROW_RETURN_NOT_OK(on_delete.Finish(&arrays[static_cast<std::size_t>(columns.on_delete)]));
  }
  auto batch = arrow::RecordBatch::Make(schema, static_cast<std::int64_t>(rows.size()), std::move(arrays));
  ARROW_RETURN_NOT_OK(batch->Validate());
  return batch;
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::RecordBatch>> WithPrimaryKeys(const arrow::RecordBatchVector& here,
                                                                   const std::vector<session::CatalogKeys>& backends,
                                                                   const sql::TableRef& table) {
  std::vector<KeyRow> rows;
  TakeRows(kPrimary, here, rows);
  for (const auto& backend : backends) {
    for (const auto& key : *backend.keys) {
      if (key.is_foreign() || !Matches(&table, backend.catalog, key.table)) continue;
      for (std::size_t i = 0; i < key.columns.size(); ++i) {
        rows.push_back({.texts = {backend.catalog, key.table.schema, key.table.name, key.columns[i], Named(key.name)},
                        .place = static_cast<std::int32_t>(i) + 1});
      }
    }
  }
  return Batch(kPrimary, std::move(rows), sql::SqlSchema::GetPrimaryKeysSchema());
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> WithForeignKeys(const arrow::RecordBatchVector& here,
                                                                   const std::vector<session::CatalogKeys>& backends,
                                                                   const sql::TableRef* parent,
                                                                   const sql::TableRef* child,
                                                                   const std::shared_ptr<arrow::Schema>& schema) {
  const auto columns = Foreign(/*by_child=*/child == nullptr);  // the keys that a table exports
  std::vector<KeyRow> rows;
  TakeRows(columns, here, rows);
  for (const auto& backend : backends) {
    for (const auto& key : *backend.keys) {
      if (!key.is_foreign()) continue;
      if (!Matches(parent, backend.catalog, key.referenced) || !Matches(child, backend.catalog, key.table)) continue;
      TakeForeign(backend, key, rows);
    }
  }
  return Batch(columns, std::move(rows), schema);
}

}  // namespace hyprstream::flight
