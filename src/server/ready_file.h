// The file that tells scripts where the server listens.
//
// Ownership: the file exists from Write until the ReadyFile is destroyed, locked (flock), so that one that a server
// left behind when it was killed is told from one of a server that runs. A server that is given another's file replaces
// it, and the other leaves it alone from then on.
#pragma once

#include <string>

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::server {

class ReadyFile {
 public:
  // Removes the file of a server that has ended, whose address nobody is to take for ours; a running server's stays.
  static void RemoveStale(const std::string& path);
  // Writes `address` and a line end, at once or not at all (a reader never sees half of it). An empty path: no file.
  static arrow::Result<ReadyFile> Write(std::string path, const std::string& address);
  ReadyFile(ReadyFile&& other) noexcept;
  ReadyFile& operator=(ReadyFile&& other) noexcept;
  ~ReadyFile();

 private:
  ReadyFile(std::string path, int file) : path_(std::move(path)), file_(file) {}
  std::string path_;  // empty: nothing to remove
  int file_ = -1;     // holds the lock
};

}  // namespace hyprstream::server
