#include "config/credentials.h"

#include <crypt.h>

#include <cstddef>
#include <memory>

namespace hyprstream::config {
namespace {

// Time depends on the lengths only.
bool EqualsInConstantTime(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char other = b.empty() ? '\0' : b[i % b.size()];
    difference |= static_cast<unsigned char>(a[i] ^ other);
  }
  return difference == 0;
}

bool PasswordMatches(std::string_view password, const std::string& hash) {
  // crypt() would stop at a NUL and accept what follows it unseen.
  if (password.size() >= CRYPT_MAX_PASSPHRASE_SIZE || password.contains('\0')) return false;
  const auto scratch = std::make_unique<crypt_data>();
  const char* computed = crypt_r(std::string(password).c_str(), hash.c_str(), scratch.get());
  return computed != nullptr && computed[0] != '*' && EqualsInConstantTime(computed, hash);
}

}  // namespace

bool IsPasswordHash(const std::string& hash) {
  const int verdict = crypt_checksalt(hash.c_str());
  return hash.starts_with('$') && (verdict == CRYPT_SALT_OK || verdict == CRYPT_SALT_METHOD_LEGACY);
}

const User* Credentials::CheckPassword(std::string_view name, std::string_view password) const {
  const User* stand_in = nullptr;
  for (const User& user : users_) {
    if (user.password_hash.empty()) continue;
    if (user.name == name) return PasswordMatches(password, user.password_hash) ? &user : nullptr;
    stand_in = &user;
  }
  if (stand_in != nullptr) PasswordMatches(password, stand_in->password_hash);
  return nullptr;
}

const User* Credentials::CheckToken(std::string_view token) const {
  const User* found = nullptr;
  for (const User& user : users_) {
    if (!user.token.empty() && EqualsInConstantTime(token, user.token)) found = &user;
  }
  return found;
}

}  // namespace hyprstream::config
