#include "flight/status_mapping.h"

#include <arrow/flight/types.h>

#include <algorithm>
#include <cstdint>

namespace hyprstream::flight {

namespace fl = arrow::flight;

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Length of the valid UTF-8 character at the start of `text`, 0 when there is none.
std::size_t CharacterLength(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 && first <= 0xF4  ? 4
                             : first >= 0xE0 && first < 0xF0 ? 3
                             : first >= 0xC2 && first < 0xE0 ? 2
                                                             : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (first == 0xE0 && byte(1) < 0xA0) return 0;
  if (first == 0xED && byte(1) > 0x9F) return 0;
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) > 0x8F) return 0;
  return length;
}

// Header bytes of one character: percent-encoded once, in base64 once.
std::size_t Cost(std::string_view character) {
  const auto byte = static_cast<std::uint8_t>(character[0]);
  const bool plain = character.size() == 1 && byte >= 0x20 && byte < 0x7F && byte != '%';
  return (plain ? 1 : 3 * character.size()) + (4 * character.size() + 2) / 3;
}

arrow::Status WithFlightCode(fl::FlightStatusCode code, arrow::StatusCode arrow_code, std::string text) {
  return {arrow_code, std::move(text), std::make_shared<fl::FlightStatusDetail>(code)};
}

}  // namespace

std::string BoundedText(std::string_view text) {
  std::string out;
  std::size_t cost = 0;
  while (!text.empty()) {
    const std::size_t length = CharacterLength(text);
    const auto character = length == 0 ? kReplacement : text.substr(0, length);
    cost += Cost(character);
    if (cost > kMessageCostMax) return out + "...";
    if (length == 1 && character[0] == '\0') {
      out += ' ';
    } else {
      out += character;
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

arrow::Status ToFlightStatus(const arrow::Status& status) {
  if (status.ok()) return status;
  std::string text = BoundedText(status.message());
  if (fl::FlightStatusDetail::UnwrapStatus(status) != nullptr) {
    return {status.code(), std::move(text), status.detail()};
  }
  switch (status.code()) {
    case arrow::StatusCode::KeyError:
    case arrow::StatusCode::AlreadyExists:
    case arrow::StatusCode::Invalid:
    case arrow::StatusCode::NotImplemented:
    case arrow::StatusCode::Cancelled:
      return {status.code(), text};
    case arrow::StatusCode::TypeError:
    case arrow::StatusCode::IndexError:
    case arrow::StatusCode::SerializationError:
      return arrow::Status::Invalid(std::move(text));
    case arrow::StatusCode::CapacityError:
    case arrow::StatusCode::OutOfMemory:
      return WithFlightCode(fl::FlightStatusCode::Unavailable, status.code(), std::move(text));
    default:
      return WithFlightCode(fl::FlightStatusCode::Internal, status.code(), std::move(text));
  }
}

arrow::Status Unauthenticated(std::string_view text) {
  return WithFlightCode(fl::FlightStatusCode::Unauthenticated, arrow::StatusCode::IOError, std::string(text));
}

arrow::Status Unauthorized(std::string_view text) {
  return WithFlightCode(fl::FlightStatusCode::Unauthorized, arrow::StatusCode::IOError, std::string(text));
}

arrow::Status FromException(const std::exception* exception) {
  if (exception == nullptr) return arrow::Status::UnknownError("An unknown exception ended the call");
  if (dynamic_cast<const std::bad_alloc*>(exception) != nullptr) {
    return arrow::Status::OutOfMemory("The server ran out of memory in this call; try again with less data");
  }
  return arrow::Status::UnknownError(exception->what());
}

}  // namespace hyprstream::flight
