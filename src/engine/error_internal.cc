#include "engine/error_internal.h"

#include <duckdb/common/error_data.hpp>
#include <new>

namespace hyprstream::engine {

namespace {

bool Contains(const std::string& text, const char* words) { return text.find(words) != std::string::npos; }

arrow::StatusCode CodeOf(const duckdb::ErrorData& error) {
  using Type = duckdb::ExceptionType;
  switch (error.Type()) {
    case Type::INTERRUPT:
      return arrow::StatusCode::Cancelled;
    case Type::OUT_OF_MEMORY:
      return arrow::StatusCode::OutOfMemory;
    case Type::NOT_IMPLEMENTED:
      return arrow::StatusCode::NotImplemented;
    case Type::IO:
    case Type::HTTP:
    case Type::NETWORK:
    case Type::CONNECTION:
    case Type::DATA_CORRUPTION:
    case Type::RESOURCE_IN_USE:
      return arrow::StatusCode::IOError;
    case Type::FATAL:
    case Type::INTERNAL:
    case Type::INVALID:
    case Type::NULL_POINTER:
    case Type::SERIALIZATION:
    case Type::SCHEDULER:
    case Type::OPTIMIZER:
    case Type::PLANNER:
    case Type::STAT:
      return arrow::StatusCode::UnknownError;
    case Type::CATALOG:
      if (Contains(error.RawMessage(), "already exists")) return arrow::StatusCode::AlreadyExists;
      if (Contains(error.RawMessage(), "does not exist")) return arrow::StatusCode::KeyError;
      return arrow::StatusCode::Invalid;
    default:
      return arrow::StatusCode::Invalid;
  }
}

// DuckDB shows where in the statement it stumbled ("LINE 1: ..." and a caret), and a stack trace with internal errors.
std::string WithoutEcho(const duckdb::ErrorData& error, arrow::StatusCode code) {
  std::string_view text = error.RawMessage();
  if (code == arrow::StatusCode::UnknownError) {
    text = text.substr(0, text.find('\n'));
  } else {
    text = text.substr(0, text.find("\nLINE "));
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return CutText(text.empty() ? std::string_view("the engine failed without a message") : text);
}

}  // namespace

std::string CutText(std::string_view text, std::size_t bytes_max) {
  constexpr std::string_view kEllipsis = "...";
  if (text.size() <= bytes_max) return std::string(text);
  std::size_t end = bytes_max - kEllipsis.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)).append(kEllipsis);
}

arrow::Status StatusFrom(const duckdb::ErrorData& error) {
  const auto code = CodeOf(error);
  return arrow::Status(code, WithoutEcho(error, code));
}

arrow::Status StatusFrom(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    return arrow::Status::OutOfMemory("the engine ran out of memory");
  }
  return StatusFrom(duckdb::ErrorData(error));
}

}  // namespace hyprstream::engine
