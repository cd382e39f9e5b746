// Who may log in: passwords against crypt(3) hashes, bearer tokens against known ones, both in constant time.
//
// Thread safety: all methods, from any thread; immutable.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/server_config.h"

namespace hyprstream::config {

class Credentials {
 public:
  explicit Credentials(std::vector<User> users) : users_(std::move(users)) {}

  bool empty() const { return users_.empty(); }  // then everybody is the anonymous user
  // The user, or null. An unknown name takes as long as a wrong password.
  const User* CheckPassword(std::string_view name, std::string_view password) const;
  const User* CheckToken(std::string_view token) const;

 private:
  std::vector<User> users_;
};

// Is `hash` something that crypt(3) here can check (`$y$`, `$2b$`, `$6$`, ...)?
bool IsPasswordHash(const std::string& hash);

}  // namespace hyprstream::config
