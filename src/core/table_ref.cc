#include "core/table_ref.h"

#include <algorithm>
#include <tuple>

namespace hyprstream {

std::string FoldIdentifier(std::string_view name) {
  std::string folded(name);
  std::ranges::transform(folded, folded.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return folded;
}

std::string FoldedSql(std::string_view expression) {
  return "translate(" + std::string(expression) + ", 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')";
}

namespace {

std::string Quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    out.push_back(c);
    if (c == quote) out.push_back(c);
  }
  out.push_back(quote);
  return out;
}

std::tuple<std::string, std::string> Key(const TableRef& ref) {
  return {FoldIdentifier(ref.schema), FoldIdentifier(ref.name)};
}

}  // namespace

std::string QuoteIdentifier(std::string_view name) { return Quoted(name, '"'); }
std::string QuoteLiteral(std::string_view text) { return Quoted(text, '\''); }

std::string TableRef::ToSql() const { return QuoteIdentifier(schema) + "." + QuoteIdentifier(name); }
std::string TableRef::ToString() const { return schema == "main" ? name : schema + "." + name; }

bool operator==(const TableRef& a, const TableRef& b) { return Key(a) == Key(b); }
bool operator<(const TableRef& a, const TableRef& b) { return Key(a) < Key(b); }

std::size_t TableRefHash::operator()(const TableRef& ref) const {
  const std::hash<std::string> hash;
  return hash(FoldIdentifier(ref.name)) * 31 + hash(FoldIdentifier(ref.schema));
}

}  // namespace hyprstream
