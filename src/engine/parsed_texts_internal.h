// The queries that were parsed last, by their text: a dashboard asks the same ones again and again, and parsing one
// takes longer than looking up its answer.
//
// Thread safety: any thread. Memory: a few queries, none of them long.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "engine/statement.h"

namespace hyprstream::engine {

class ParsedTexts {
 public:
  using Statements = std::vector<std::shared_ptr<const Statement>>;

  // Empty: the text is not among them.
  Statements Find(std::string_view sql);
  // Keeps it when it is one query. Other statements may name secrets, or come once.
  void Keep(std::string_view sql, const Statements& statements);

 private:
  struct Parsed {
    std::string sql;
    Statements statements;
  };

  Mutex mutex_;
  std::list<Parsed> parsed_ GUARDED_BY(mutex_);  // the last used first
};

}  // namespace hyprstream::engine
