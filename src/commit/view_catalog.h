// What the database file remembers of ours: table options, view definitions, saved states; in the schema __hyprstream.
//
// Plain SQL over a connection's open transaction, so that options and definitions commit and roll back with the tables
// they belong to. Thread safety: stateless.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commit/commit_path.h"

namespace arrow {
class Buffer;
}

namespace hyprstream::commit {

inline constexpr const char* kCatalogSchema = "__hyprstream";

struct StoredView {
  TableRef view;
  std::string definition;
  std::string time_zone;
};

using TableOptionsMap = std::map<TableRef, TableOptions>;

// Makes the schema and its tables where they are missing.
arrow::Status CreateCatalog(engine::Connection& connection);

// Invalid for an unknown option (the message suggests the nearest) or a bad value.
arrow::Result<TableOptions> ParseTableOptions(const engine::Options& options);

arrow::Status StoreTableOptions(engine::Connection& connection, const TableRef& table, const TableOptions& options);
// Options of tables that exist.
arrow::Result<TableOptionsMap> LoadTableOptions(engine::Connection& connection);
// Forgets options of tables that are gone.
arrow::Status PruneTableOptions(engine::Connection& connection);

arrow::Status StoreView(engine::Connection& connection, const StoredView& view);
arrow::Status RemoveView(engine::Connection& connection, const TableRef& view);
arrow::Result<std::vector<StoredView>> LoadViews(engine::Connection& connection);

arrow::Status StoreState(engine::Connection& connection, const TableRef& view,
                         const std::shared_ptr<arrow::Buffer>& state);
// The saved state, which is forgotten with the same transaction; nullopt when there is none.
arrow::Result<std::optional<std::string>> TakeState(engine::Connection& connection, const TableRef& view);

}  // namespace hyprstream::commit
