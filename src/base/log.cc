#include "base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <chrono>
#include <cmath>
#include <format>
#include <mutex>

namespace hyprstream {
namespace {

std::string_view Name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
    case LogLevel::kOff:
      break;
  }
  return "off";
}

// One character of UTF-8 and its length in bytes; a byte that begins none is U+FFFD.
struct Character {
  char32_t code;
  std::size_t bytes;
};

Character FirstCharacter(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  constexpr Character kInvalid{.code = 0xFFFD, .bytes = 1};
  if (byte(0) < 0x80) return {.code = byte(0), .bytes = 1};
  const std::size_t bytes = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
  if (byte(0) < 0xC2 || byte(0) > 0xF4 || text.size() < bytes) return kInvalid;
  char32_t code = byte(0) & (0xFFU >> (bytes + 1));
  for (std::size_t at = 1; at < bytes; ++at) {
    if ((byte(at) & 0xC0U) != 0x80U) return kInvalid;
    code = code << 6U | (byte(at) & 0x3FU);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[bytes] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return kInvalid;
  return {.code = code, .bytes = bytes};
}

// Characters that some program takes for the end of a line, or a terminal for a command.
bool IsControl(char32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029;
}

// JSON's escapes. The line stays one line, and valid UTF-8, whatever a client put into the text.
void AppendQuoted(std::string& line, std::string_view text) {
  line += '"';
  while (!text.empty()) {
    const auto [code, bytes] = FirstCharacter(text);
    if (code == '"' || code == '\\') {
      line += '\\';
      line += static_cast<char>(code);
    } else if (code == '\n') {
      line += "\\n";
    } else if (IsControl(code) || (code == 0xFFFD && bytes == 1)) {
      line += std::format("\\u{:04x}", static_cast<std::uint32_t>(code));
    } else {
      line += text.substr(0, bytes);
    }
    text.remove_prefix(bytes);
  }
  line += '"';
}

bool NeedsQuotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f) return true;
    if (c == '"' || c == '=' || c == '\\') return true;
  }
  return false;
}

void AppendValue(std::string& line, const LogField::Value& value, LogFormat format) {
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    if (format == LogFormat::kJson || NeedsQuotes(*text)) {
      AppendQuoted(line, *text);
    } else {
      line += *text;
    }
  } else if (const auto* number = std::get_if<double>(&value)) {
    line += std::isfinite(*number) ? std::format("{:.6g}", *number) : std::string("null");
  } else if (const auto* truth = std::get_if<bool>(&value)) {
    line += *truth ? "true" : "false";
  } else {
    line += std::to_string(std::get<std::int64_t>(value));
  }
}

std::string Render(LogFormat format, LogLevel level, std::string_view event, Logger::Fields fields) {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  std::string line;
  if (format == LogFormat::kJson) {
    line = std::format(R"({{"time":"{:%FT%T}Z","level":"{}","event":)", now, Name(level));
    AppendQuoted(line, event);
  } else {
    line = std::format("{:%FT%T}Z {} {}", now, Name(level), event);
  }
  for (const LogField& field : fields) {
    if (format == LogFormat::kJson) {
      line += ',';
      AppendQuoted(line, field.name);
      line += ':';
    } else {
      line += ' ';
      line += field.name;
      line += '=';
    }
    AppendValue(line, field.value, format);
  }
  if (format == LogFormat::kJson) line += '}';
  return line;
}

class StringSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit StringSink(std::string& lines) : lines_(lines) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    lines_.append(message.payload.data(), message.payload.size());
    lines_ += '\n';
  }
  void flush_() override {}

  std::string& lines_;
};

std::unique_ptr<spdlog::logger> LoggerOver(std::shared_ptr<spdlog::sinks::sink> sink) {
  auto logger = std::make_unique<spdlog::logger>("hyprstream", std::move(sink));
  logger->set_pattern("%v");
  logger->set_level(spdlog::level::trace);
  logger->flush_on(spdlog::level::trace);
  return logger;
}

}  // namespace

Logger::Logger(LogFormat format, LogLevel level)
    : format_(format), level_(level), sink_(LoggerOver(std::make_shared<spdlog::sinks::stderr_sink_mt>())) {}

Logger::Logger(LogFormat format, LogLevel level, std::string& lines)
    : format_(format), level_(level), sink_(LoggerOver(std::make_shared<StringSink>(lines))) {}

Logger::~Logger() = default;

void Logger::Write(LogLevel level, std::string_view event, Fields fields) {
  if (!IsOn(level)) return;
  const std::string line = Render(format_, level, event, fields);
  sink_->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace hyprstream
