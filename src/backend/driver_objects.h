// What a driver says of its catalogs, schemas and tables (AdbcConnectionGetObjects), taken apart.
//
// Pure functions. Invalid: it is in another shape than ADBC's.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace arrow {
class RecordBatch;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::backend {

// Empty where the database has none.
struct NamedSchema {
  std::string catalog;
  std::string name;

  bool operator==(const NamedSchema&) const = default;
};

struct NamedTable {
  NamedSchema schema;
  std::string name;
  bool is_view = false;
};

struct NamedConstraint {
  // A column that a foreign key refers to.
  struct Usage {
    NamedTable table;
    std::string column;
  };
  NamedTable table;
  std::string kind;  // as ADBC calls it: PRIMARY KEY, FOREIGN KEY, ...
  std::string name;
  std::vector<std::string> columns;
  std::vector<Usage> usages;
};

// A catalog without schemas has one without a name.
arrow::Result<std::vector<NamedSchema>> SchemasIn(const arrow::RecordBatch& catalogs);
arrow::Result<std::vector<NamedTable>> TablesIn(const arrow::RecordBatch& catalogs);
arrow::Result<std::vector<NamedConstraint>> ConstraintsIn(const arrow::RecordBatch& catalogs);

// The schemas by what they are called in SQL here: those of the catalog `current`, or of the only one, by their own
// names, `main` for one without a name; those of others as `catalog.schema`.
std::map<std::string, NamedSchema> NamesOf(const std::vector<NamedSchema>& schemas, const std::string& current);

}  // namespace hyprstream::backend
