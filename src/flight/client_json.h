// JSON that a client sends as its ticket or as metadata.
//
// Thread safety: a pure function.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::flight {

// The document; a discarded value, as json::parse gives it, when the text is no JSON. Invalid when it is longer than
// 1 MiB or nested more than 8 deep: parsed it takes many times its length, and what copies or writes it recurses.
arrow::Result<nlohmann::json> ParseClientJson(std::string_view text);

}  // namespace hyprstream::flight
