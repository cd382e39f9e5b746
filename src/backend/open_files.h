// The database files that this process has open, each at most once.
//
// DuckDB's lock on a file holds against other processes only: opened twice within one, it loses what was committed.
// Files are told apart by what they are, not by their paths: links lead to the same one.
// Thread safety: all methods, from any thread. Ownership: a Claim may outlive the OpenFiles that gave it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/mutex.h"

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::backend {

class OpenFiles {
 private:
  struct Table;

 public:
  // One open file. Move-only; destroying it says that the file is closed.
  class Claim {
   public:
    Claim() = default;
    Claim(Claim&& other) noexcept : table_(std::move(other.table_)), file_(other.file_) {}
    Claim& operator=(Claim&& other) noexcept;
    ~Claim() { Release(); }

   private:
    friend class OpenFiles;
    using File = std::pair<std::uint64_t, std::uint64_t>;  // device and inode
    Claim(std::shared_ptr<Table> table, File file) : table_(std::move(table)), file_(file) {}
    void Release();

    std::shared_ptr<Table> table_;  // null: of no file
    File file_;
  };

  // `own`: the path of a file that the rest of the process has open, or will have; empty: there is none.
  explicit OpenFiles(std::string own);

  // Before `owner`, which messages name, opens the file. IOError: there is no such file. AlreadyExists: it is open, or
  // the process's own.
  arrow::Result<Claim> Take(const std::string& path, const std::string& owner);

 private:
  struct Table {
    Mutex mutex;
    std::map<Claim::File, std::string> owners GUARDED_BY(mutex);
  };

  const std::string own_;
  const std::shared_ptr<Table> table_;
};

}  // namespace hyprstream::backend
