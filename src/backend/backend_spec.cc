#include "backend/backend_spec.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "backend/redaction.h"
#include "base/nearest_name.h"
#include "config/config_values.h"
#include "core/table_ref.h"

namespace hyprstream::backend {
namespace {

using std::chrono::milliseconds;

// The longest that any option says.
constexpr milliseconds kDurationMax = std::chrono::days{30};
constexpr int kPoolMax = 1'000;

struct Unit {
  std::string_view name;
  milliseconds length;
};
constexpr std::array<Unit, 12> kUnits = {{{"ms", milliseconds{1}},
                                          {"millisecond", milliseconds{1}},
                                          {"s", milliseconds{1'000}},
                                          {"second", milliseconds{1'000}},
                                          {"min", milliseconds{60'000}},
                                          {"minute", milliseconds{60'000}},
                                          {"h", milliseconds{3'600'000}},
                                          {"hour", milliseconds{3'600'000}},
                                          {"d", milliseconds{86'400'000}},
                                          {"day", milliseconds{86'400'000}},
                                          {"sec", milliseconds{1'000}},
                                          {"msec", milliseconds{1}}}};

// `500ms`, `30 s`, `5 minutes`.
std::optional<milliseconds> ParseDuration(std::string_view text) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || count < 0) return std::nullopt;
  std::string unit = FoldIdentifier(text.substr(static_cast<std::size_t>(end - text.data())));
  unit.erase(0, unit.find_first_not_of(' '));
  const auto named = [&](std::string_view name) { return std::ranges::find(kUnits, name, &Unit::name); };
  auto found = named(unit);
  if (found == kUnits.end() && unit.size() > 3 && unit.ends_with('s'))
    found = named(std::string_view(unit).substr(0, unit.size() - 1));
  if (found == kUnits.end() || count > kDurationMax / found->length) return std::nullopt;
  return count * found->length;
}

struct DurationOption {
  std::string_view name;
  milliseconds BackendSpec::* field;
  milliseconds least;
};
constexpr std::array<DurationOption, 6> kDurations = {
    {{"statement_timeout", &BackendSpec::statement_timeout, milliseconds{1}},
     {"connect_timeout", &BackendSpec::connect_timeout, milliseconds{1}},
     {"pool_wait", &BackendSpec::pool_wait, milliseconds{0}},
     {"idle_max", &BackendSpec::idle_max, milliseconds{1}},
     {"life_max", &BackendSpec::life_max, milliseconds{1}},
     {"metadata_ttl", &BackendSpec::metadata_ttl, milliseconds{0}}}};

const std::vector<std::string>& OptionNames() {
  static const std::vector<std::string> kNames = {
      "driver",   "entrypoint", "dialect",   "user",     "password", "statement_timeout", "connect_timeout",
      "pool_max", "pool_min",   "pool_wait", "idle_max", "life_max", "metadata_ttl",      "isolate"};
  return kNames;
}

arrow::Status SetPoolOption(const std::string& name, const std::string& value, int& field) {
  const int least = name == "pool_max" ? 1 : 0;
  const auto count = config::ParseInteger(value, least, kPoolMax);
  if (!count.ok()) {
    return arrow::Status::Invalid("Option ", name, " is a number from ", least, " to ", kPoolMax);
  }
  field = static_cast<int>(*count);
  return arrow::Status::OK();
}

// One of ours. Its value is put into no message: what was meant for another option may stand there.
arrow::Status SetOption(const std::string& name, const std::string& value, BackendSpec& spec) {
  const auto* duration = std::ranges::find(kDurations, name, &DurationOption::name);
  if (duration != kDurations.end()) {
    const auto parsed = ParseDuration(value);
    if (!parsed || *parsed < duration->least) {
      return arrow::Status::Invalid("Option ", name, " is a time such as '500 ms', '30 s' or '5 min', from ",
                                    duration->least.count(), " ms to 30 days");
    }
    spec.*(duration->field) = *parsed;
  } else if (name == "driver") {
    spec.driver = value;
  } else if (name == "entrypoint") {
    spec.entrypoint = value;
  } else if (name == "dialect") {
    if (value != "hyprstream" && value != "generic") {
      return arrow::Status::Invalid("Option dialect is 'hyprstream' or 'generic'");
    }
    spec.dialect = value;
  } else if (name == "user") {
    spec.driver_options["username"] = value;
  } else if (name == "password") {
    spec.driver_options["password"] = value;
  } else if (name == "pool_max") {
    return SetPoolOption(name, value, spec.pool_max);
  } else if (name == "pool_min") {
    return SetPoolOption(name, value, spec.pool_min);
  } else if (name == "isolate") {
    const auto truth = config::ParseBoolean(value);
    if (!truth.ok()) return arrow::Status::Invalid("Option isolate is true or false");
    spec.isolate = *truth;
  } else {
    return arrow::Status::Invalid("Unknown option of a backend: ", name, DidYouMean(name, OptionNames()),
                                  "; an option of the driver is written in double quotes, with its ADBC name");
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<BackendSpec> MakeSpec(const std::string& name, const std::string& uri,
                                    const std::vector<NamedOption>& options) {
  BackendSpec spec;
  spec.name = FoldIdentifier(name);
  if (spec.name.empty())
    return arrow::Status::Invalid("A backend needs a name: ATTACH '<uri>' AS <name> (TYPE adbc, ...)");
  if (!uri.empty()) spec.driver_options["uri"] = uri;
  std::vector<std::string> seen;
  for (const auto& option : options) {
    const std::string key = option.quoted ? option.name : FoldIdentifier(option.name);
    const std::string once = (option.quoted ? "\"" : "") + key;
    if (std::ranges::find(seen, once) != seen.end()) return arrow::Status::Invalid("Option ", key, " is given twice");
    seen.push_back(once);
    if (!option.quoted) {
      ARROW_RETURN_NOT_OK(SetOption(key, option.value, spec));
    } else if (key == "driver" || key == "entrypoint") {
      return arrow::Status::Invalid("Option ", key, " is written without quotes");
    } else if (key == "uri" && !uri.empty()) {
      return arrow::Status::Invalid("The URI is given twice: before AS, and as an option");
    } else {
      spec.driver_options[key] = option.value;
    }
  }
  if (spec.driver.empty()) {
    return arrow::Status::Invalid("Backend ", spec.name,
                                  " needs a driver: DRIVER 'postgresql', DRIVER 'sqlite', or the absolute path of one");
  }
  if (spec.pool_min > spec.pool_max) {
    return arrow::Status::Invalid("Option pool_min (", spec.pool_min, ") is more than pool_max (", spec.pool_max, ")");
  }
  return spec;
}

std::string Describe(const BackendSpec& spec) {
  const auto uri = spec.driver_options.find("uri");
  const std::string address =
      Redaction(spec).Redact(uri == spec.driver_options.end() ? std::string() : AddressOf(uri->second));
  return address.empty() ? spec.driver : spec.driver + " at " + address;
}

}  // namespace hyprstream::backend
