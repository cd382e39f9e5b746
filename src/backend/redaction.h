// What a backend's spec has that nobody may read: taken out of every text that comes from a driver.
//
// Thread safety: immutable; all methods, from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backend/backend_spec.h"

namespace hyprstream::backend {

class Redaction {
 public:
  Redaction() = default;
  explicit Redaction(const BackendSpec& spec);

  // The text with every secret of the spec, as it was written or percent-decoded, and the user information of every
  // URI replaced by `***`. When in doubt it takes away more.
  std::string Redact(std::string_view text) const;

 private:
  std::vector<std::string> secrets_;  // longest first
};

// May an option of this name hold a secret? All but a few whose names say otherwise.
bool MayBeSecret(std::string_view option);

// host, port and path of an URI; without a scheme's user information, parameters and fragment. Empty where the text is
// no URI, or one of which it is not certain what is secret.
std::string AddressOf(std::string_view uri);

// `%41` to `A`.
std::string PercentDecoded(std::string_view text);
// Everything but letters, digits and `-._~` as `%41`.
std::string PercentEncoded(std::string_view text);

}  // namespace hyprstream::backend
