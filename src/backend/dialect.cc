#include "backend/dialect.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include "core/table_ref.h"

namespace hyprstream::backend {

arrow::Result<TableLayout> Dialect::LayoutAsDescribed(const std::string& table, const arrow::Schema&) const {
  return arrow::Status::NotImplemented("Table ", table, " is described by the database's catalog, not by its driver");
}

std::string Dialect::NameOf(const NamedSchema&, const std::string& table) const { return QuoteIdentifier(table); }

arrow::Result<TableLayout> Dialect::LayoutOfPassedOn(const std::string&, const TextRows&) const {
  return arrow::Status::NotImplemented("Its statements are not those of a table");
}

}  // namespace hyprstream::backend
