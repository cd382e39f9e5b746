// What a crash leaves of a database: its file and its log, as another process would find them.
#pragma once

#include <filesystem>

namespace hyprstream::fuzz {

// Of data.duckdb in one folder, to another one; what is not there is not there afterwards.
inline void CopyFiles(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::filesystem::create_directories(to);
  for (const auto* name : {"data.duckdb", "data.duckdb.wal"}) {
    std::filesystem::remove(to / name);
    if (std::filesystem::exists(from / name)) std::filesystem::copy_file(from / name, to / name);
  }
}

}  // namespace hyprstream::fuzz
