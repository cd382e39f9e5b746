#include "engine/database_file_internal.h"

#include <arrow/status.h>

// DuckDB's copy of fmt is not installed with its headers, whose inline code names this; nothing here calls that code.
namespace duckdb_fmt::internal {
struct data {
  static const char digits[];
};
}  // namespace duckdb_fmt::internal

#include <duckdb.hpp>
#include <duckdb/main/attached_database.hpp>
#include <duckdb/main/config.hpp>
#include <duckdb/main/database_manager.hpp>
#include <duckdb/parser/parsed_data/attach_info.hpp>

namespace hyprstream::engine {

arrow::Status OpenDatabaseFile(duckdb::DuckDB& instance, const std::string& path) {
  auto& databases = duckdb::DatabaseManager::Get(*instance.instance);
  const auto in_memory = databases.GetDefaultDatabase();
  duckdb::AttachInfo info;
  info.name = duckdb::Identifier(
      duckdb::AttachedDatabase::ExtractDatabaseName(path, duckdb::FileSystem::GetFileSystem(*instance.instance)));
  info.path = path;
  if (info.name == in_memory) {
    return arrow::Status::Invalid("it is called as a database in memory is; give it another name");
  }
  duckdb::AttachOptions options(instance.instance->config.options);
  options.is_main_database = true;
  duckdb::Connection connection(instance);
  connection.BeginTransaction();
  databases.AttachDatabase(*connection.context, info, options);
  connection.Commit();
  databases.SetDefaultDatabase(info.name);
  connection.BeginTransaction();
  databases.DetachDatabase(*connection.context, in_memory, duckdb::OnEntryNotFound::THROW_EXCEPTION,
                           /*allow_default_database=*/true);
  connection.Commit();
  return arrow::Status::OK();
}

}  // namespace hyprstream::engine
