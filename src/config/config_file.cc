#include <arrow/result.h>
#include <arrow/status.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <toml++/toml.hpp>

#include "base/nearest_name.h"
#include "config/backend_file_internal.h"
#include "config/config_fields.h"
#include "config/config_file_internal.h"
#include "config/credentials.h"

namespace hyprstream::config {
namespace {

namespace fs = std::filesystem;

arrow::Result<std::string> ReadAll(const std::string& path, std::string_view what) {
  std::error_code error;
  if (fs::is_directory(path, error)) return arrow::Status::IOError("Cannot read ", what, " ", path, ": it is a folder");
  std::ifstream file(path, std::ios::binary);
  if (!file) return arrow::Status::IOError("Cannot read ", what, " ", path, ": ", std::strerror(errno));
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

// "Error while parsing boolean: expected 'true', saw 'tr1'" without what is quoted of the text: it may be a secret.
std::string WithoutQuotes(std::string_view description) {
  const std::size_t quoting = description.find(": ");
  if (quoting == std::string_view::npos) return std::string(description);
  const bool twice = description.substr(quoting).starts_with(": cannot redefine ");
  return std::string(description.substr(0, quoting)) +
         (twice ? ": it is there already" : "; text is written in quotes");
}

arrow::Result<toml::table> Parse(std::string_view text, const std::string& origin) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    return arrow::Status::Invalid(origin, ", line ", at.line, ", column ", at.column, ": ",
                                  WithoutQuotes(error.description()));
  }
}

std::string Where(const std::string& origin, const toml::node& node) {
  return origin + ", line " + std::to_string(node.source().begin.line);
}

arrow::Status SetUserKey(User& user, std::string_view key, const toml::node& value, const std::string& folder,
                         const std::string& where) {
  if (key == "admin") {
    const auto admin = value.value_exact<bool>();
    if (!admin) return arrow::Status::Invalid(where, ": admin must be true or false");
    user.admin = *admin;
    return arrow::Status::OK();
  }
  const std::vector<std::string> known = {"token", "token_file", "password_hash", "password_hash_file", "admin"};
  if (std::ranges::find(known, key) == known.end()) {
    return arrow::Status::Invalid(where, ": a user has no key '", key, "'", DidYouMean(key, known), "; use token, ",
                                  "token_file, password_hash, password_hash_file, admin");
  }
  const auto text = value.value_exact<std::string>();
  if (!text || text->empty()) return arrow::Status::Invalid(where, ": ", key, " must be text in quotes");
  std::string& target = key.starts_with("token") ? user.token : user.password_hash;
  if (!target.empty()) return arrow::Status::Invalid(where, ": ", key, " is given twice, directly and by file");
  if (key.ends_with("_file")) {
    ARROW_ASSIGN_OR_RAISE(target, ReadSecret(*text, folder, where));
  } else {
    target = *text;
  }
  return arrow::Status::OK();
}

arrow::Result<std::vector<User>> UsersOf(const toml::table& table, const std::string& origin,
                                         const std::string& folder) {
  std::vector<User> users;
  for (const auto& [name, node] : table) {
    const std::string where = Where(origin, node) + ", user " + std::string(name.str());
    const toml::table* keys = node.as_table();
    if (keys == nullptr) return arrow::Status::Invalid(where, ": write a table, [users.", name.str(), "]");
    // Everybody is nobody by name where there are no users.
    if (name.str().empty()) return arrow::Status::Invalid(where, ": a user needs a name; write [users.NAME]");
    User user{.name = std::string(name.str()), .token = {}, .password_hash = {}};
    for (const auto& [key, value] : *keys) {
      ARROW_RETURN_NOT_OK(SetUserKey(user, key.str(), value, folder, where));
    }
    if (user.token.empty() && user.password_hash.empty()) {
      return arrow::Status::Invalid(where, ": needs token, token_file, password_hash or password_hash_file");
    }
    if (!user.password_hash.empty() && !IsPasswordHash(user.password_hash)) {
      return arrow::Status::Invalid(where, ": password_hash is not a crypt(3) hash; make one with: openssl passwd -6");
    }
    users.push_back(std::move(user));
  }
  return users;
}

arrow::Result<std::string> ScalarText(const toml::node& node, const std::string& where, std::string_view key) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto number = node.value_exact<std::int64_t>()) return std::to_string(*number);
  if (const auto truth = node.value_exact<bool>()) return std::string(*truth ? "true" : "false");
  return arrow::Status::Invalid(where, ": ", key, " must be text in quotes, a whole number, true or false");
}

}  // namespace

arrow::Result<std::string> ReadSecret(const std::string& path, const std::string& folder, const std::string& where) {
  const fs::path full = fs::path(path).is_absolute() ? fs::path(path) : fs::path(folder) / path;
  auto text = ReadAll(full.string(), "the secret");
  if (!text.ok()) return arrow::Status::Invalid(where, ": ", text.status().message());
  std::string secret = text->substr(0, text->find_first_of("\r\n"));
  if (secret.empty()) return arrow::Status::Invalid(where, ": the file ", full.string(), " begins with an empty line");
  return secret;
}

arrow::Result<ConfigFile> ReadConfigFile(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, ReadAll(path, "the configuration file"));
  ARROW_ASSIGN_OR_RAISE(const toml::table table, Parse(text, path));
  std::vector<std::string> known = FieldNames();
  known.emplace_back("users");
  known.emplace_back("backends");
  ConfigFile file;
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    if (std::ranges::find(known, name) == known.end()) {
      return arrow::Status::Invalid(Where(path, node), ": unknown setting '", name, "'", DidYouMean(name, known));
    }
    if (name == "users") {
      const toml::table* users = node.as_table();
      if (users == nullptr) return arrow::Status::Invalid(Where(path, node), ": write users as tables, [users.NAME]");
      ARROW_ASSIGN_OR_RAISE(file.users, UsersOf(*users, path, fs::path(path).parent_path().string()));
      file.users_line = users->empty() ? node.source().begin.line : users->begin()->second.source().begin.line;
      continue;
    }
    if (name == "backends") {
      const toml::table* backends = node.as_table();
      if (backends == nullptr) {
        return arrow::Status::Invalid(Where(path, node), ": write backends as tables, [backends.NAME]");
      }
      ARROW_ASSIGN_OR_RAISE(file.backends, BackendsOf(*backends, path, fs::path(path).parent_path().string()));
      file.backends_line = backends->empty() ? node.source().begin.line : backends->begin()->second.source().begin.line;
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(std::string value, ScalarText(node, Where(path, node), name));
    file.values.emplace(name, FileValue{std::move(value), node.source().begin.line});
  }
  return file;
}

arrow::Result<std::vector<User>> ParseUsers(std::string_view toml, const std::string& origin,
                                            const std::string& folder) {
  ARROW_ASSIGN_OR_RAISE(const toml::table table, Parse(toml, origin));
  if (table.empty()) {
    return arrow::Status::Invalid(origin, " names no user; unset it, or write NAME = { token_file = \"PATH\" }");
  }
  return UsersOf(table, origin, folder);
}

}  // namespace hyprstream::config
