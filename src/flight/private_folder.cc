#include "flight/private_folder.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <stdlib.h>

#include <filesystem>
#include <system_error>

namespace hyprstream::flight {

namespace {

constexpr std::size_t kPathBytesMax = 80;  // the address of a socket file has room for 107

}  // namespace

arrow::Result<PrivateFolder> PrivateFolder::Make() {
  std::error_code ignored;
  for (const std::string& place : {std::filesystem::temp_directory_path(ignored).string(), std::string("/tmp"),
                                   std::string("/dev/shm"), std::string("/run")}) {
    std::string path = place + "/hyprstream-XXXXXX";
    if (!place.empty() && path.size() <= kPathBytesMax && ::mkdtemp(path.data()) != nullptr) return PrivateFolder(path);
  }
  return arrow::Status::IOError("No folder for temporary files can be written to; name one in TMPDIR");
}

PrivateFolder::~PrivateFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace hyprstream::flight
