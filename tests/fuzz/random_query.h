// Random queries over random tables of a backend: of what its dialect claims, and of what is beyond.
#pragma once

#include <string>
#include <vector>

#include "fuzz/random.h"

namespace hyprstream::fuzz {

// What a query may do with a column.
enum class ColumnKind {
  kInteger,
  kDecimal,
  kFloat,
  kText,
  kBoolean,
  kDate,
  kTime,
  kTimestamp,
  kTimestampTz,
  kUuid,
  kOther
};

struct RandomColumn {
  std::string name;
  std::string type;  // as the database declares it
  ColumnKind kind;
  std::string literal;              // of a value in a query, `$` for its text: `DATE $`
  std::vector<std::string> values;  // as texts; each is also one of the database's when it is quoted
};

struct RandomTable {
  std::string name;
  std::vector<RandomColumn> columns;
};

// One SELECT; `{name}` stands for a table's full name. Its rows are the same whatever the order of what it reads.
class QueryMaker {
 public:
  QueryMaker(Random& random, const std::vector<RandomTable>& tables) : random_(random), tables_(tables) {}

  std::string Make();

 private:
  struct Scoped {
    std::string name;  // with its table's alias
    const RandomColumn* column;
  };
  using Scope = std::vector<Scoped>;
  struct From {
    std::string sql;
    Scope scope;
  };

  std::string NewAlias() { return "x" + std::to_string(aliases_++); }
  Scope ScopeOf(const RandomTable& table, const std::string& alias) const;
  From MakeFrom();
  From MakeJoin();
  std::string MakeWhere(const Scope& scope);
  std::string MakeAggregate();
  std::string MakePlain();
  // Columns of one table's rows of which simple things hold.
  std::string MakeRead();
  std::string MakeUnion();
  std::string MakeNested();
  // ORDER BY all columns, LIMIT
  std::string MakeEnd(int columns);

  const Scoped& Any(const Scope& scope) { return random_.Pick(scope); }
  const Scoped* AnyOf(const Scope& scope, ColumnKind kind);
  std::string Literal(const RandomColumn& column);
  std::string Condition(const Scope& scope, int depth);
  std::string Comparison(const Scope& scope);
  std::string TextCondition(const std::string& text, const RandomColumn& column);
  std::string Equality(const Scope& left, const Scope& right);
  std::string Subquery(const Scope& scope);
  std::string Value(const Scope& scope);
  std::string Key(const Scope& scope);
  std::string Aggregate(const Scope& scope);

  Random& random_;
  const std::vector<RandomTable>& tables_;
  int aliases_ = 0;
};

}  // namespace hyprstream::fuzz
