#include "engine/parsed_texts_internal.h"

#include <algorithm>

namespace hyprstream::engine {

namespace {

constexpr std::size_t kTextsMax = 64;
constexpr std::size_t kTextBytesMax = 4096;

}  // namespace

ParsedTexts::Statements ParsedTexts::Find(std::string_view sql) {
  if (sql.size() > kTextBytesMax) return {};
  const MutexLock lock(mutex_);
  const auto found = std::ranges::find(parsed_, sql, &Parsed::sql);
  if (found == parsed_.end()) return {};
  parsed_.splice(parsed_.begin(), parsed_, found);
  return found->statements;
}

void ParsedTexts::Keep(std::string_view sql, const Statements& statements) {
  if (sql.size() > kTextBytesMax || statements.size() != 1 || statements[0]->kind() != StatementKind::kQuery) return;
  const MutexLock lock(mutex_);
  if (std::ranges::find(parsed_, sql, &Parsed::sql) != parsed_.end()) return;  // another thread was as fast
  parsed_.push_front({.sql = std::string(sql), .statements = statements});
  if (parsed_.size() > kTextsMax) parsed_.pop_back();
}

}  // namespace hyprstream::engine
