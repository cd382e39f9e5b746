// Which of DuckDB's functions a client may call. Reviewed by hand against the release we build with; gate_test.cc fails
// when the library has a function that is in no list.
//
// Refused: what reads files, the network or memory by address; shows paths, secrets, logs or other sessions' work;
// changes the server's state or blocks it; takes bytes on trust (serialized aggregate states and variants); or parses
// text of any length without a bound.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>

namespace hyprstream::engine {

enum class Verdict { kAllowed, kRefused, kUnknown };

// Names folded to lower case. Everything but kAllowed is to be refused.
Verdict OnTableFunction(const std::string& name);
const std::unordered_set<std::string>& RefusedTableFunctionNames();
// Scalar, aggregate and window functions, by what a bound plan calls them (operators and casts are functions too).
Verdict OnFunction(const std::string& name);
const std::unordered_set<std::string>& RefusedFunctionNames();

// Settings that a client may SET, RESET and read.
bool IsClientSetting(const std::string& name);
const std::unordered_set<std::string>& ClientSettingNames();
std::string_view ClientSettings();  // for messages: "a, b, c"

}  // namespace hyprstream::engine
