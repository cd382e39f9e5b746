#include "flight/client_json.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <cstddef>
#include <nlohmann/json.hpp>

namespace hyprstream::flight {

namespace {

using nlohmann::json;

constexpr std::size_t kBytesMax = 1 << 20;
constexpr int kDepthMax = 8;

}  // namespace

arrow::Result<json> ParseClientJson(std::string_view text) {
  if (text.size() > kBytesMax) {
    return arrow::Status::Invalid("A ticket or metadata of JSON may have ", kBytesMax, " bytes; this has ",
                                  text.size());
  }
  bool too_deep = false;
  const auto keep = [&too_deep](int depth, json::parse_event_t event, const json&) {
    const bool opens = event == json::parse_event_t::array_start || event == json::parse_event_t::object_start;
    too_deep = too_deep || (opens && depth >= kDepthMax);
    return !too_deep;  // what is deeper takes no memory
  };
  auto document = json::parse(text, keep, /*allow_exceptions=*/false);
  if (too_deep) return arrow::Status::Invalid("A ticket or metadata of JSON may be nested ", kDepthMax, " deep");
  return document;
}

}  // namespace hyprstream::flight
