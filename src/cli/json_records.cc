#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/checked_cast.h>
#include <strings.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "cli/json_records_internal.h"

namespace hyprstream::cli {
namespace {

using arrow::internal::checked_cast;

constexpr int kLevelsMax = 64;  // what Arrow's messages hold
constexpr std::string_view kBlanks = " \t\r\n";

// `next` is where to look first.
std::size_t Find(const arrow::FieldVector& fields, const std::string& name, std::size_t next) {
  if (next < fields.size() && fields[next]->name() == name) return next;
  const auto index = [&fields](auto found) { return static_cast<std::size_t>(found - fields.begin()); };
  const auto same = std::ranges::find_if(fields, [&name](const auto& field) { return field->name() == name; });
  if (same != fields.end()) return index(same);
  return index(std::ranges::find_if(
      fields, [&name](const auto& field) { return strcasecmp(field->name().c_str(), name.c_str()) == 0; }));
}

const arrow::FieldVector* FieldsOf(const arrow::DataType* type) {
  return type != nullptr && type->id() == arrow::Type::STRUCT ? &type->fields() : nullptr;
}

const arrow::DataType* ItemOf(const arrow::DataType* type) {
  return type != nullptr && arrow::is_list_like(type->id()) ? type->field(0)->type().get() : nullptr;
}

bool IsBareInJson(const arrow::DataType& type) {
  return arrow::is_integer(type.id()) || arrow::is_floating(type.id()) || arrow::is_decimal(type.id()) ||
         type.id() == arrow::Type::BOOL;
}

template <class Float>
bool IsBeyond(std::string_view number) {
  Float value = 0;
  const bool out =
      std::from_chars(number.data(), number.data() + number.size(), value).ec == std::errc::result_out_of_range;
  const bool tiny =
      number.contains("e-") || number.contains("E-") || number.starts_with("0.") || number.starts_with("-0.");
  return out && !tiny;
}

bool MayBeBeyondDouble(std::string_view number) {
  constexpr std::size_t kDigits = std::numeric_limits<double>::max_exponent10;
  return number.size() > kDigits || number.find_first_of("eE") != std::string_view::npos;
}

bool IsFloat(const arrow::DataType* type) { return type != nullptr && type->id() == arrow::Type::FLOAT; }

bool IsFloating(const arrow::DataType* type) { return type != nullptr && arrow::is_floating(type->id()); }

class Preparation {
 public:
  // `columns` is null when nothing is known of the records; `numbers` when nobody wants to know.
  Preparation(std::string_view text, const arrow::FieldVector* columns, std::map<std::string, NumberRange>* numbers)
      : text_(text), columns_(columns), numbers_(numbers), seen_(columns == nullptr ? 0 : columns->size()) {}

  arrow::Status Run() {
    for (SkipBlanks(); at_ < text_.size(); SkipBlanks()) {
      if (text_[at_] != '{') return arrow::Status::Invalid(R"(a record must be an object: {"column": value})");
      ARROW_RETURN_NOT_OK(Object(columns_, 1));
    }
    out_ += text_.substr(copied_);
    return arrow::Status::OK();
  }

  JsonRecords Finish() && { return {.text = std::move(out_), .seen = std::move(seen_)}; }

 private:
  arrow::Status Value(const arrow::DataType* type, int levels) {
    SkipBlanks();
    if (at_ == text_.size()) return NotJson();
    switch (text_[at_]) {
      case '"':
        return IsFloating(type) ? FloatInQuotes() : String();
      case '[':
        return List(ItemOf(type), levels + 1);
      case '{':
        if (type != nullptr && type->id() == arrow::Type::MAP) {
          return Map(checked_cast<const arrow::MapType&>(*type), levels + 1);
        }
        return Object(FieldsOf(type), levels + 1);
      default:
        return Bare(type);
    }
  }

  arrow::Status Object(const arrow::FieldVector* fields, int levels) {
    ARROW_RETURN_NOT_OK(Enter(levels));
    std::size_t next = 0;
    return Members('}', [&] {
      const std::size_t begin = at_;
      ARROW_RETURN_NOT_OK(String());
      ARROW_ASSIGN_OR_RAISE(const std::string name, Unescaped(text_.substr(begin, at_ - begin)));
      if (levels == 1) column_ = name;
      const arrow::DataType* type = nullptr;
      if (fields != nullptr) {
        const std::size_t i = Find(*fields, name, next);
        if (i == fields->size()) return Unknown(name, levels);
        if (levels == 1) seen_[i] = true;
        const arrow::Field& field = *(*fields)[i];
        if (field.name() != name) Replace(begin, at_, nlohmann::json(field.name()).dump());
        type = field.type().get();
        next = i + 1;
      }
      const std::size_t path = path_.size();
      if (numbers_ != nullptr) path_ += '/' + name;
      if (!Takes(':')) return NotJson();
      ARROW_RETURN_NOT_OK(Value(type, levels));
      path_.resize(path);
      return arrow::Status::OK();
    });
  }

  arrow::Status List(const arrow::DataType* item, int levels) {
    ARROW_RETURN_NOT_OK(Enter(levels));
    const std::size_t path = path_.size();
    if (numbers_ != nullptr) path_ += "/[]";
    ARROW_RETURN_NOT_OK(Members(']', [&] { return Value(item, levels); }));
    path_.resize(path);
    return arrow::Status::OK();
  }

  // {"a": 1} becomes [{"key":"a","value": 1}].
  arrow::Status Map(const arrow::MapType& type, int levels) {
    Replace(at_, at_ + 1, "[");
    ARROW_RETURN_NOT_OK(Enter(levels + 1));  // with its entries
    ARROW_RETURN_NOT_OK(Members('}', [&] {
      const std::size_t begin = at_;
      ARROW_RETURN_NOT_OK(String());
      auto key = text_.substr(begin, at_ - begin);
      if (IsBareInJson(*type.key_type())) key = key.substr(1, key.size() - 2);
      Replace(begin, at_, R"({"key":)" + std::string(key));
      if (!Takes(':')) return NotJson();
      Replace(at_ - 1, at_, R"(,"value":)");
      ARROW_RETURN_NOT_OK(Value(type.item_type().get(), levels + 1));
      Replace(at_, at_, "}");
      return arrow::Status::OK();
    }));
    Replace(at_ - 1, at_, "]");
    return arrow::Status::OK();
  }

  // What is between brackets, up to `end`; `member` reads one, which does not begin with a blank.
  template <class Member>
  arrow::Status Members(char end, const Member& member) {
    if (Takes(end)) return arrow::Status::OK();
    while (true) {
      SkipBlanks();
      ARROW_RETURN_NOT_OK(member());
      if (Takes(end)) return arrow::Status::OK();
      if (!Takes(',')) return NotJson();
    }
  }

  arrow::Status Enter(int levels) {
    if (levels > kLevelsMax) return arrow::Status::Invalid("nested more than ", kLevelsMax, " levels deep");
    ++at_;  // the bracket
    return arrow::Status::OK();
  }

  arrow::Status String() {
    if (at_ == text_.size() || text_[at_] != '"') return NotJson();
    ++at_;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ >= text_.size()) return NotJson();
    ++at_;
    return arrow::Status::OK();
  }

  // Infinities and NaN are texts in JSON, and bare words for Arrow's reader.
  arrow::Status FloatInQuotes() {
    const std::size_t begin = at_;
    ARROW_RETURN_NOT_OK(String());
    const auto word = text_.substr(begin + 1, at_ - begin - 2);
    if (word == "Infinity" || word == "-Infinity" || word == "NaN") Replace(begin, at_, word);
    return arrow::Status::OK();
  }

  // A number or word. Of numbers that are too large the reader makes infinities, or does not say where they are.
  arrow::Status Bare(const arrow::DataType* type) {
    const std::size_t end = std::min(text_.find_first_of(",]} \t\r\n", at_), text_.size());
    if (end == at_) return NotJson();
    const std::string_view value = text_.substr(at_, end - at_);
    at_ = end;
    if (IsFloat(type) && IsBeyond<float>(value)) return TooLargeFor("FLOAT");
    if (MayBeBeyondDouble(value) && IsBeyond<double>(value)) return TooLargeFor("DOUBLE");
    if (numbers_ != nullptr && std::string_view("-0123456789").contains(value[0])) (*numbers_)[path_].Add(value);
    return arrow::Status::OK();
  }

  static arrow::Result<std::string> Unescaped(std::string_view quoted) {
    if (!quoted.contains('\\')) return std::string(quoted.substr(1, quoted.size() - 2));
    const auto name = nlohmann::json::parse(quoted, nullptr, /*allow_exceptions=*/false);
    if (!name.is_string()) return NotJson();
    return name.get<std::string>();
  }

  arrow::Status Unknown(const std::string& name, int levels) const {
    const std::string_view whose = levels == 1 ? "there is no such column" : "its type has no field ";
    return arrow::Status::Invalid("Column(/", column_, ") ", whose, levels == 1 ? "" : name);
  }

  arrow::Status TooLargeFor(const char* type) const {
    return arrow::Status::Invalid("Column(/", column_, ") a number too large for ", type);
  }

  static arrow::Status NotJson() { return arrow::Status::Invalid("not valid JSON"); }

  void SkipBlanks() { at_ = std::min(text_.find_first_not_of(kBlanks, at_), text_.size()); }

  bool Takes(char c) {
    SkipBlanks();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void Replace(std::size_t begin, std::size_t end, std::string_view by) {
    out_ += text_.substr(copied_, begin - copied_);
    out_ += by;
    copied_ = end;
  }

  const std::string_view text_;
  const arrow::FieldVector* const columns_;
  std::map<std::string, NumberRange>* const numbers_;
  std::size_t at_ = 0;
  std::size_t copied_ = 0;  // up to here into out_
  std::string out_;
  std::vector<bool> seen_;
  std::string column_;  // at hand
  std::string path_;    // of the value at hand
};

}  // namespace

arrow::Result<JsonRecords> PrepareRecords(std::string_view text, const arrow::FieldVector& columns) {
  Preparation preparation(text, &columns, nullptr);
  ARROW_RETURN_NOT_OK(preparation.Run());
  return std::move(preparation).Finish();
}

arrow::Status CheckRecords(std::string_view text, std::map<std::string, NumberRange>& numbers) {
  return Preparation(text, nullptr, &numbers).Run();
}

}  // namespace hyprstream::cli
