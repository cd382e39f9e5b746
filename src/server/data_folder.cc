#include "server/data_folder.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace hyprstream::server {

arrow::Status PrepareFolder(const std::string& path, std::string_view setting) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    return arrow::Status::IOError("Cannot make the folder ", path, " of ", setting, ": ", error.message(),
                                  "; choose one that can be written to");
  }
  std::string probe = path + "/.writable-XXXXXX";
  const int file = mkstemp(probe.data());
  if (file < 0) {
    return arrow::Status::IOError("Cannot write to the folder ", path, " of ", setting, ": ", std::strerror(errno),
                                  "; choose one that can be written to");
  }
  close(file);
  unlink(probe.c_str());
  return arrow::Status::OK();
}

arrow::Result<std::string> ReadPem(const std::string& path, std::string_view setting) {
  errno = 0;
  std::ifstream file(path);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return arrow::Status::IOError("Cannot read the file ", path, " of ", setting, ": ",
                                  errno == 0 ? "it is empty" : std::strerror(errno));
  }
  if (text.view().find("-----BEGIN ") == std::string_view::npos) {
    return arrow::Status::Invalid("The file ", path, " of ", setting, " is not in PEM format");
  }
  return std::move(text).str();
}

}  // namespace hyprstream::server
