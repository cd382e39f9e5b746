#include "engine/error_internal.h"

#include <cstdlib>
#include <duckdb/common/error_data.hpp>
#include <new>
#include <unordered_map>

namespace hyprstream::engine {

namespace {

constexpr std::size_t kErrorDetailBytesMax = 300;

// Among an exception's further information: the code of the status that it was made of.
constexpr const char* kStatusCode = "hyprstream_status";

[[noreturn]] void Throw(const arrow::Status& status, duckdb::ExceptionType type) {
  const std::unordered_map<std::string, std::string> code{
      {kStatusCode, std::to_string(static_cast<int>(status.code()))}};
  throw duckdb::Exception(code, type, status.message());
}

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
      return arrow::StatusCode::CapacityError;
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

// DuckDB's advice after its first line is to set what clients may not set.
std::string OutOfMemoryText(const duckdb::ErrorData& error) {
  const std::string& text = error.RawMessage();
  const auto what = CutText(std::string_view(text).substr(0, text.find('\n')), kErrorDetailBytesMax);
  constexpr const char* kLess =
      "; use fewer rows, columns or groups, run less at the same time, or ask the operator to ";
  if (Contains(text, "max_temp_directory_size")) {
    return "The statement spills more to disk than temp_max allows (" + what + ")" + kLess + "raise temp_max";
  }
  return "The statement needs more memory than is free in DuckDB's share of memory_max (" + what + ")" + kLess +
         (Contains(text, "SET temp_directory") ? "raise memory_max or set temp_directory, where it could spill"
                                               : "raise memory_max");
}

// Names of DuckDB's own making and of ours that a client's message should not lead to.
bool IsInternalName(std::string_view name) {
  for (const std::string_view schema : {"main.", "memory.", "system.", "information_schema.", "pg_catalog."}) {
    if (name.starts_with(schema)) name.remove_prefix(schema.size());
  }
  for (const std::string_view prefix : {"pg_", "sqlite_", "duckdb_", "pragma_", "txid_", "__", "hyprstream_"}) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

// `Did you mean "pg_attrdef"?` helps nobody who mistyped a table of theirs.
std::string WithoutInternalNames(std::string text) {
  constexpr std::string_view kQuestion = "Did you mean \"";
  const auto begin = text.find(kQuestion);
  if (begin == std::string::npos) return text;
  const auto name = begin + kQuestion.size();
  const auto end = text.find('"', name);
  if (end == std::string::npos || !IsInternalName(std::string_view(text).substr(name, end - name))) return text;
  text.erase(begin, text.find('\n', end) - begin);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

// DuckDB shows where in the statement it stumbled ("LINE 1: ..." and a caret).
std::string_view WithoutPlace(std::string_view text) {
  text = text.substr(0, text.find("\nLINE "));
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return text;
}

// Nor does anybody need the stack trace that comes with internal errors.
std::string WithoutEcho(const duckdb::ErrorData& error, arrow::StatusCode code) {
  std::string_view text = error.RawMessage();
  if (code == arrow::StatusCode::UnknownError) text = text.substr(0, text.find('\n'));
  text = WithoutPlace(text);
  if (code != arrow::StatusCode::UnknownError) return CutText(WithoutInternalNames(std::string(text)));
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

// DuckDB's type says whether the transaction goes on: after a binder's error it does.
void ThrowIfNotOk(const arrow::Status& status) {
  if (!status.ok()) Throw(status, duckdb::ExceptionType::INVALID_INPUT);
}

void RefuseIfNotOk(const arrow::Status& status) {
  if (!status.ok()) Throw(status, duckdb::ExceptionType::BINDER);
}

arrow::Status StatusFrom(const duckdb::ErrorData& error) {
  if (const auto known = error.ExtraInfo().find(kStatusCode); known != error.ExtraInfo().end()) {
    return arrow::Status(static_cast<arrow::StatusCode>(std::atoi(known->second.c_str())),
                         CutText(WithoutPlace(error.RawMessage())));
  }
  const auto code = CodeOf(error);
  if (code == arrow::StatusCode::OutOfMemory) return arrow::Status::OutOfMemory(OutOfMemoryText(error));
  if (error.Type() == duckdb::ExceptionType::FATAL) {  // its text is the operator's; Engine::failure() has it
    return arrow::Status(code,
                         "The database engine has failed and takes no more statements; the operator must restart the "
                         "server (its log has the cause)");
  }
  return arrow::Status(code, WithoutEcho(error, code));
}

arrow::Status StatusFrom(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    return arrow::Status::OutOfMemory(
        "The server ran out of memory in this statement; select fewer rows, columns or groups, or ask the operator to "
        "lower memory_max below what the machine has");
  }
  return StatusFrom(duckdb::ErrorData(error));
}

}  // namespace hyprstream::engine
