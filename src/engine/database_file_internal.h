// The file that the tables are in.
#pragma once

#include <string>

namespace arrow {
class Status;
}

namespace duckdb {
class DuckDB;
}

namespace hyprstream::engine {

// Opens the file in the place of the database in memory that `instance` has been made with, under the file's name.
//
// DuckDB's own start would read the file, and do again what its write-ahead log says was done to tables, before there
// are extensions and functions of ours: after a crash it could not evaluate what an ALTER TABLE had. So they are to be
// registered before this.
//
// Throws DuckDB's errors; Invalid for a name that cannot be a database's.
arrow::Status OpenDatabaseFile(duckdb::DuckDB& instance, const std::string& path);

}  // namespace hyprstream::engine
