#include "engine/json_shape_internal.h"

#include <algorithm>
#include <cstddef>

namespace hyprstream::engine {

namespace {

// Where the text in quotes that begins at `open` ends.
std::size_t EndOfQuoted(std::string_view text, std::size_t open) {
  std::size_t at = open + 1;
  while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2 : 1;
  return at;
}

}  // namespace

JsonShape ShapeOfJson(std::string_view json) {
  std::size_t nodes = 1;
  std::size_t depth = 0;
  std::size_t deepest = 0;
  for (std::size_t i = 0; i < json.size(); ++i) {
    switch (json[i]) {
      case '"':
        i = EndOfQuoted(json, i);
        break;
      case '[':
      case '{':
        ++nodes;
        deepest = std::max(deepest, ++depth);
        break;
      case ']':
      case '}':
        if (depth > 0) --depth;
        break;
      case ',':
      case ':':
        ++nodes;
        break;
      default:
        break;
    }
  }
  return {.nodes = static_cast<double>(nodes), .depth = static_cast<double>(deepest)};
}

PathShape ShapeOfPath(std::string_view path) {
  PathShape shape;
  for (std::size_t i = 0; i < path.size(); ++i) {
    // Only where a key begins: in the middle of one a quote is a letter.
    if (path[i] == '"' && i > 0 && path[i - 1] == '.') {
      i = EndOfQuoted(path, i);
      continue;
    }
    shape.wildcard |= path[i] == '*';
    if (path[i] != '.' && path[i] != '[') continue;
    const auto rest = path.substr(i + 1);
    if (path[i] == '.' && (rest.starts_with('.') || rest.starts_with("**"))) {
      shape.wildcard = true;
      ++shape.recursive;
      ++i;
    }
    if (shape.recursive > 0) ++shape.after;
  }
  return shape;
}

}  // namespace hyprstream::engine
