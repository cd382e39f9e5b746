// Files and folders that the settings name, checked before anything is built on them.
#pragma once

#include <string>
#include <string_view>

namespace arrow {
class Status;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::server {

// Makes the folder when it is missing and tries that it can be written to. IOError that names `setting` and path.
arrow::Status PrepareFolder(const std::string& path, std::string_view setting);

// A PEM file's text. IOError when it cannot be read, Invalid when it holds no PEM.
arrow::Result<std::string> ReadPem(const std::string& path, std::string_view setting);

}  // namespace hyprstream::server
