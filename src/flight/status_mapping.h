// What a client sees of an error: a Flight status code and words that fit into gRPC's headers.
//
// KeyError → NOT_FOUND, AlreadyExists → ALREADY_EXISTS, Invalid and TypeError and IndexError → INVALID_ARGUMENT,
// NotImplemented → UNIMPLEMENTED, Cancelled → CANCELLED, CapacityError and OutOfMemory → UNAVAILABLE (Flight has no
// RESOURCE_EXHAUSTED), anything else → INTERNAL. A status that already carries a Flight code keeps it.
//
// Thread safety: pure functions.
#pragma once

#include <arrow/status.h>

#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace hyprstream::flight {

// Flight sends the text twice (percent-encoded and as base64); both together must stay under gRPC's 8 KB of headers.
inline constexpr std::size_t kMessageCostMax = 6500;

// `text` as valid UTF-8 (bad bytes become U+FFFD), cut at a character's end so that it fits; a cut text ends in "...".
std::string BoundedText(std::string_view text);

arrow::Status ToFlightStatus(const arrow::Status& status);

// Wrong, missing or expired credentials.
arrow::Status Unauthenticated(std::string_view text);
// Known, but not allowed.
arrow::Status Unauthorized(std::string_view text);

// What an exception that reached the edge becomes.
arrow::Status FromException(const std::exception* exception);

// Runs one handler's body: no exception passes, every error is mapped.
template <class Body>
arrow::Status Guarded(Body&& body) {
  try {
    return ToFlightStatus(std::forward<Body>(body)());
  } catch (const std::exception& exception) {
    return ToFlightStatus(FromException(&exception));
  } catch (...) {
    return ToFlightStatus(FromException(nullptr));
  }
}

}  // namespace hyprstream::flight
