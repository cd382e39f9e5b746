// Functions of DuckDB's own catalog, changed.
#pragma once

#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/scalar_function_catalog_entry.hpp>
#include <duckdb/catalog/catalog_entry/table_function_catalog_entry.hpp>
#include <duckdb/main/client_context.hpp>
#include <duckdb/parser/parsed_data/create_scalar_function_info.hpp>
#include <duckdb/parser/parsed_data/create_table_function_info.hpp>
#include <string_view>
#include <utility>

namespace hyprstream::engine {

template <class Entry, class Info, class Callback>
void ChangeFunction(duckdb::ClientContext& context, std::string_view name, Callback change) {
  auto& catalog = duckdb::Catalog::GetSystemCatalog(context);
  const auto entry = catalog.GetEntry(context, Entry::Type, duckdb::Identifier::DefaultSchema(),
                                      duckdb::Identifier(std::string(name)), duckdb::OnEntryNotFound::RETURN_NULL);
  if (!entry || entry->type != Entry::Type) return;
  const auto& function = entry->template Cast<Entry>();
  auto overloads = function.functions;
  overloads.ApplyToFunctions(change);
  Info info(std::move(overloads));
  info.descriptions = function.descriptions;
  info.internal = true;
  info.on_conflict = duckdb::OnCreateConflict::REPLACE_ON_CONFLICT;
  catalog.CreateFunction(context, info);
}

// Replaces a function, all its overloads, by a changed one: `change` is called with a copy of each overload. Nothing
// when there is none of that name. Inside a transaction.
template <class Callback>
void ChangeScalarFunction(duckdb::ClientContext& context, std::string_view name, Callback change) {
  ChangeFunction<duckdb::ScalarFunctionCatalogEntry, duckdb::CreateScalarFunctionInfo>(context, name, change);
}
template <class Callback>
void ChangeTableFunction(duckdb::ClientContext& context, std::string_view name, Callback change) {
  ChangeFunction<duckdb::TableFunctionCatalogEntry, duckdb::CreateTableFunctionInfo>(context, name, change);
}

}  // namespace hyprstream::engine
