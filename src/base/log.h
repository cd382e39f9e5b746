// The server's log: one event a line with key/value fields, as JSON or as text.
//
//   log.Info("statement", {{"request", id}, {"ms", 1.25}, {"rows", rows}});
//   2026-01-02T03:04:05.678Z info statement request=7f3a ms=1.25 rows=10
//   {"time":"2026-01-02T03:04:05.678Z","level":"info","event":"statement","request":"7f3a","ms":1.25,"rows":10}
//
// Event and field names are literals; values may come from clients and are escaped, so that a line is always one event.
// Never pass a secret: tokens, passwords, tickets, whole statements.
//
// Thread safety: all methods, from any thread; lines never mix.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace spdlog {
class logger;
}

namespace hyprstream {

enum class LogFormat { kText, kJson };
enum class LogLevel { kDebug, kInfo, kWarn, kError, kOff };

struct LogField {
  using Value = std::variant<std::string_view, std::int64_t, double, bool>;

  LogField(std::string_view field, std::string_view text) : name(field), value(text) {}
  LogField(std::string_view field, const char* text) : name(field), value(std::string_view(text)) {}
  LogField(std::string_view field, const std::string& text) : name(field), value(std::string_view(text)) {}
  LogField(std::string_view field, double number) : name(field), value(number) {}
  LogField(std::string_view field, bool truth) : name(field), value(truth) {}
  LogField(std::string_view field, std::integral auto number) : name(field), value(static_cast<std::int64_t>(number)) {}

  std::string_view name;
  Value value;
};

class Logger {
 public:
  using Fields = std::initializer_list<LogField>;

  // Writes to stderr. A flush follows every line.
  Logger(LogFormat format, LogLevel level);
  // For tests: appends to `lines`, which must outlive the logger.
  Logger(LogFormat format, LogLevel level, std::string& lines);
  ~Logger();
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  void Debug(std::string_view event, Fields fields = {}) { Write(LogLevel::kDebug, event, fields); }
  void Info(std::string_view event, Fields fields = {}) { Write(LogLevel::kInfo, event, fields); }
  void Warn(std::string_view event, Fields fields = {}) { Write(LogLevel::kWarn, event, fields); }
  void Error(std::string_view event, Fields fields = {}) { Write(LogLevel::kError, event, fields); }
  bool IsOn(LogLevel level) const { return level >= level_; }

 private:
  void Write(LogLevel level, std::string_view event, Fields fields);

  const LogFormat format_;
  const LogLevel level_;
  std::unique_ptr<spdlog::logger> sink_;
};

}  // namespace hyprstream
