// Where DuckDB's exceptions end: runs `body`, which returns Status or Result, and turns what it throws into a Status.
#pragma once

#include <exception>
#include <utility>

#include "engine/error_internal.h"

namespace hyprstream::engine {

template <class Body>
auto Guard(Body&& body) -> decltype(body()) {
  try {
    return std::forward<Body>(body)();
  } catch (const std::exception& error) {
    return StatusFrom(error);
  } catch (...) {
    return arrow::Status::UnknownError("the engine failed without a message");
  }
}

}  // namespace hyprstream::engine
