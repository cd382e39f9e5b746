#include "sql.h"

#include <arrow/type.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "failure.h"
#include "sql_tokens.h"
#include "sql_types.h"

namespace adbc_redis::sql {
namespace {

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  arrow::Result<Statement> Whole() {
    Statement statement;
    if (TakeWord("create")) {
      ARROW_ASSIGN_OR_RAISE(statement.command, Create());
    } else if (TakeWord("drop")) {
      ARROW_ASSIGN_OR_RAISE(statement.command, Drop());
    } else if (TakeWord("insert")) {
      ARROW_ASSIGN_OR_RAISE(statement.command, InsertInto());
    } else if (TakeWord("delete")) {
      ARROW_ASSIGN_OR_RAISE(statement.command, DeleteFrom());
    } else if (TakeWord("update")) {
      ARROW_ASSIGN_OR_RAISE(statement.command, UpdateRows());
    } else if (TakeWord("select")) {
      ARROW_ASSIGN_OR_RAISE(statement.command, SelectFrom());
    } else {
      return Expected("CREATE TABLE, DROP TABLE, INSERT, UPDATE, DELETE or SELECT");
    }
    TakeSymbol(";");
    if (Now().kind != Token::Kind::kEnd) return Expected("the end");
    if (plain_parameters_ > 0 && numbered_parameters_ > 0) {
      return Fail(ADBC_STATUS_INVALID_ARGUMENT, "Write parameters either as ? or as $1, not both");
    }
    statement.parameters = std::max(plain_parameters_, numbered_parameters_);
    return statement;
  }

 private:
  const Token& Now() const { return tokens_[next_]; }

  arrow::Status Expected(std::string_view what) const {
    const std::string found = Now().kind == Token::Kind::kEnd ? "the end" : "`" + Now().text + "`";
    return Fail(ADBC_STATUS_NOT_IMPLEMENTED, "This driver understands " + std::string(what) + " at position " +
                                                 std::to_string(Now().position + 1) + ", not " + found);
  }

  bool IsWord(std::string_view word) const { return Now().kind == Token::Kind::kWord && Now().text == word; }
  bool TakeWord(std::string_view word) {
    const bool is = IsWord(word);
    if (is) ++next_;
    return is;
  }
  bool TakeSymbol(std::string_view symbol) {
    const bool is = Now().kind == Token::Kind::kSymbol && Now().text == symbol;
    if (is) ++next_;
    return is;
  }
  arrow::Status NeedWord(std::string_view word) { return TakeWord(word) ? arrow::Status::OK() : Expected(word); }
  arrow::Status NeedSymbol(std::string_view symbol) {
    return TakeSymbol(symbol) ? arrow::Status::OK() : Expected(symbol);
  }

  arrow::Result<std::string> Name() {
    static constexpr std::string_view kReserved[] = {
        "from", "where", "order", "limit", "group", "having", "distinct", "case",  "and",  "or",   "select", "as",
        "all",  "not",   "null",  "cast",  "on",    "values", "with",     "union", "join", "true", "false"};
    const Token& token = Now();
    const bool reserved = std::ranges::find(kReserved, std::string_view(token.text)) != std::end(kReserved);
    if (token.kind != Token::Kind::kQuotedName && (token.kind != Token::Kind::kWord || reserved))
      return Expected("a name");
    if (token.text.empty()) return Fail(ADBC_STATUS_INVALID_ARGUMENT, "A name may not be empty");
    ++next_;
    return token.text;
  }

  arrow::Result<std::string> TableName() {
    ARROW_ASSIGN_OR_RAISE(std::string name, Name());
    if (!TakeSymbol(".")) return name;
    if (name != "main") return Fail(ADBC_STATUS_NOT_FOUND, "Unknown schema: " + name + " (the one schema is main)");
    return Name();
  }

  arrow::Result<std::vector<std::string>> Names() {
    std::vector<std::string> names;
    do {
      ARROW_ASSIGN_OR_RAISE(std::string name, Name());
      names.push_back(std::move(name));
    } while (TakeSymbol(","));
    return names;
  }

  arrow::Result<Value> Parameter() {
    const Token& token = Now();
    Value value{.kind = Value::Kind::kParameter, .text = "", .parameter = plain_parameters_};
    if (token.text == "?") {
      ++plain_parameters_;
    } else {
      int number = 0;
      std::from_chars(token.text.data() + 1, token.text.data() + token.text.size(), number);
      if (number < 1 || number > 10'000) return Expected("a parameter from $1 to $10000");
      value.parameter = number - 1;
      numbered_parameters_ = std::max(numbered_parameters_, number);
    }
    ++next_;
    return value;
  }

  arrow::Result<Value> AnyValue() {
    using enum Value::Kind;
    if (Now().kind == Token::Kind::kParameter) return Parameter();
    const bool minus = TakeSymbol("-");
    if (!minus) TakeSymbol("+");
    if (Now().kind == Token::Kind::kNumber)
      return Value{.kind = kNumber, .text = (minus ? "-" : "") + tokens_[next_++].text};
    if (minus) return Expected("a number");
    if (TakeWord("null")) return Value{};
    if (TakeWord("true")) return Value{.kind = kBoolean, .text = "true"};
    if (TakeWord("false")) return Value{.kind = kBoolean, .text = "false"};
    if (IsWord("timestamp") || IsWord("date") || IsWord("timestamptz") || IsWord("timestamp_s") ||
        IsWord("timestamp_ms") || IsWord("timestamp_ns")) {
      ++next_;
      if (Now().kind != Token::Kind::kString) return Expected("a string after the type");
    }
    if (Now().kind == Token::Kind::kString) return Value{.kind = kString, .text = tokens_[next_++].text};
    if (Now().kind == Token::Kind::kBytes) return Value{.kind = kBytes, .text = tokens_[next_++].text};
    return Expected("a literal or a parameter");
  }

  arrow::Result<std::vector<Value>> Values() {  // with the parentheses
    ARROW_RETURN_NOT_OK(NeedSymbol("("));
    std::vector<Value> values;
    do {
      ARROW_ASSIGN_OR_RAISE(Value value, AnyValue());
      values.push_back(std::move(value));
    } while (TakeSymbol(","));
    ARROW_RETURN_NOT_OK(NeedSymbol(")"));
    return values;
  }

  arrow::Result<std::vector<int>> TypeArguments() {
    std::vector<int> arguments;
    if (!TakeSymbol("(")) return arguments;
    do {
      int number = -1;
      if (Now().kind == Token::Kind::kNumber) {
        std::from_chars(Now().text.data(), Now().text.data() + Now().text.size(), number);
      }
      if (number < 0) return Expected("a number");
      ++next_;
      arguments.push_back(number);
    } while (TakeSymbol(","));
    ARROW_RETURN_NOT_OK(NeedSymbol(")"));
    return arguments;
  }

  arrow::Result<std::shared_ptr<arrow::DataType>> Type() {
    if (Now().kind != Token::Kind::kWord) return Expected("a type");
    std::string name = tokens_[next_++].text;
    if (name == "double" && TakeWord("precision")) name = "double precision";
    ARROW_ASSIGN_OR_RAISE(const std::vector<int> arguments, TypeArguments());
    for (const std::string_view zone : {"with", "without"}) {
      if (name != "timestamp" || !TakeWord(zone)) continue;
      ARROW_RETURN_NOT_OK(NeedWord("time"));
      ARROW_RETURN_NOT_OK(NeedWord("zone"));
      name += " " + std::string(zone) + " time zone";
    }
    return TypeOf(name, arguments);
  }

  arrow::Status SetKey(std::string name, CreateTable& create) {
    if (!create.key.empty()) return Fail(ADBC_STATUS_INVALID_ARGUMENT, "A table has one PRIMARY KEY, of one column");
    create.key = std::move(name);
    return arrow::Status::OK();
  }

  arrow::Status TableElement(CreateTable& create) {
    if (TakeWord("primary")) {
      ARROW_RETURN_NOT_OK(NeedWord("key"));
      ARROW_RETURN_NOT_OK(NeedSymbol("("));
      ARROW_ASSIGN_OR_RAISE(std::string key, Name());
      if (Now().text == ",") return Fail(ADBC_STATUS_NOT_IMPLEMENTED, "A PRIMARY KEY has one column here");
      ARROW_RETURN_NOT_OK(SetKey(std::move(key), create));
      return NeedSymbol(")");
    }
    Column column;
    ARROW_ASSIGN_OR_RAISE(column.name, Name());
    ARROW_ASSIGN_OR_RAISE(column.type, Type());
    while (true) {
      if (TakeWord("not")) {
        ARROW_RETURN_NOT_OK(NeedWord("null"));
        column.nullable = false;
      } else if (TakeWord("primary")) {
        ARROW_RETURN_NOT_OK(NeedWord("key"));
        ARROW_RETURN_NOT_OK(SetKey(column.name, create));
      } else if (!TakeWord("null")) {
        break;
      }
    }
    create.columns.push_back(std::move(column));
    return arrow::Status::OK();
  }

  arrow::Status TableOptions(CreateTable& create) {
    ARROW_RETURN_NOT_OK(NeedSymbol("("));
    do {
      ARROW_ASSIGN_OR_RAISE(const std::string name, Name());
      ARROW_RETURN_NOT_OK(NeedSymbol("="));
      ARROW_ASSIGN_OR_RAISE(const Value value, AnyValue());
      if (value.kind != Value::Kind::kString)
        return Fail(ADBC_STATUS_INVALID_ARGUMENT, "WITH takes strings: " + name + " = '…'");
      if (name == "time") {
        create.time = value.text;
      } else if (name == "retention") {
        ARROW_ASSIGN_OR_RAISE(create.retention_ms, ReadDuration(value.text));
      } else if (name == "hashes" && create.stream.empty()) {
        create.hashes = value.text;
      } else if (name == "stream" && create.hashes.empty()) {
        create.stream = value.text;
      } else if (name == "hashes" || name == "stream") {
        return Fail(ADBC_STATUS_INVALID_ARGUMENT, "A table is of hashes or of a stream, not of both");
      } else {
        return Fail(ADBC_STATUS_NOT_IMPLEMENTED,
                    "Unknown table option: " + name + " (there are time, retention, hashes and stream)");
      }
    } while (TakeSymbol(","));
    return NeedSymbol(")");
  }

  arrow::Result<CreateTable> Create() {
    CreateTable create;
    ARROW_RETURN_NOT_OK(NeedWord("table"));
    if (TakeWord("if")) {
      ARROW_RETURN_NOT_OK(NeedWord("not"));
      ARROW_RETURN_NOT_OK(NeedWord("exists"));
      create.if_not_exists = true;
    }
    ARROW_ASSIGN_OR_RAISE(create.table, TableName());
    ARROW_RETURN_NOT_OK(NeedSymbol("("));
    do {
      ARROW_RETURN_NOT_OK(TableElement(create));
    } while (TakeSymbol(","));
    ARROW_RETURN_NOT_OK(NeedSymbol(")"));
    if (TakeWord("with")) ARROW_RETURN_NOT_OK(TableOptions(create));
    return create;
  }

  arrow::Result<DropTable> Drop() {
    DropTable drop;
    ARROW_RETURN_NOT_OK(NeedWord("table"));
    if (TakeWord("if")) {
      ARROW_RETURN_NOT_OK(NeedWord("exists"));
      drop.if_exists = true;
    }
    ARROW_ASSIGN_OR_RAISE(drop.table, TableName());
    return drop;
  }

  arrow::Result<Insert> InsertInto() {
    Insert insert;
    ARROW_RETURN_NOT_OK(NeedWord("into"));
    ARROW_ASSIGN_OR_RAISE(insert.table, TableName());
    if (TakeSymbol("(")) {
      ARROW_ASSIGN_OR_RAISE(insert.columns, Names());
      ARROW_RETURN_NOT_OK(NeedSymbol(")"));
    }
    ARROW_RETURN_NOT_OK(NeedWord("values"));
    do {
      ARROW_ASSIGN_OR_RAISE(std::vector<Value> row, Values());
      insert.rows.push_back(std::move(row));
    } while (TakeSymbol(","));
    return insert;
  }

  arrow::Result<Condition> OneCondition() {
    static const std::map<std::string, Condition::Kind> kComparisons = {{"=", Condition::Kind::kEqual},
                                                                        {"<", Condition::Kind::kLess},
                                                                        {"<=", Condition::Kind::kLessOrEqual},
                                                                        {">", Condition::Kind::kGreater},
                                                                        {">=", Condition::Kind::kGreaterOrEqual}};
    const bool enclosed = TakeSymbol("(");
    Condition condition;
    ARROW_ASSIGN_OR_RAISE(condition.column, Name());
    if (TakeWord("in")) {
      condition.kind = Condition::Kind::kIn;
      ARROW_ASSIGN_OR_RAISE(condition.values, Values());
    } else if (TakeWord("between")) {
      condition.kind = Condition::Kind::kBetween;
      ARROW_ASSIGN_OR_RAISE(Value from, AnyValue());
      ARROW_RETURN_NOT_OK(NeedWord("and"));
      ARROW_ASSIGN_OR_RAISE(Value to, AnyValue());
      condition.values = {std::move(from), std::move(to)};
    } else {
      const auto found = Now().kind == Token::Kind::kSymbol ? kComparisons.find(Now().text) : kComparisons.end();
      if (found == kComparisons.end()) return Expected("=, <, <=, >, >=, BETWEEN or IN");
      ++next_;
      condition.kind = found->second;
      ARROW_ASSIGN_OR_RAISE(Value value, AnyValue());
      condition.values = {std::move(value)};
    }
    if (enclosed) ARROW_RETURN_NOT_OK(NeedSymbol(")"));
    return condition;
  }

  arrow::Result<Delete> DeleteFrom() {
    Delete removal;
    ARROW_RETURN_NOT_OK(NeedWord("from"));
    ARROW_ASSIGN_OR_RAISE(removal.table, TableName());
    if (!TakeWord("where")) return removal;
    ARROW_ASSIGN_OR_RAISE(removal.where, KeyCondition("DELETE"));
    return removal;
  }

  arrow::Result<Condition> KeyCondition(const char* statement) {
    ARROW_ASSIGN_OR_RAISE(Condition where, OneCondition());
    if (where.kind == Condition::Kind::kEqual || where.kind == Condition::Kind::kIn) return where;
    return Fail(ADBC_STATUS_NOT_IMPLEMENTED, std::string(statement) + " takes WHERE key = value or WHERE key IN (…)");
  }

  arrow::Result<Update> UpdateRows() {
    Update update;
    ARROW_ASSIGN_OR_RAISE(update.table, TableName());
    ARROW_RETURN_NOT_OK(NeedWord("set"));
    do {
      ARROW_ASSIGN_OR_RAISE(std::string column, Name());
      ARROW_RETURN_NOT_OK(NeedSymbol("="));
      ARROW_ASSIGN_OR_RAISE(Value value, AnyValue());
      update.columns.push_back(std::move(column));
      update.values.push_back(std::move(value));
    } while (TakeSymbol(","));
    ARROW_RETURN_NOT_OK(NeedWord("where"));
    ARROW_ASSIGN_OR_RAISE(update.where, KeyCondition("UPDATE"));
    return update;
  }

  arrow::Result<Select> SelectFrom() {
    Select select;
    if (!TakeSymbol("*")) {
      ARROW_ASSIGN_OR_RAISE(select.columns, Names());
    }
    ARROW_RETURN_NOT_OK(NeedWord("from"));
    ARROW_ASSIGN_OR_RAISE(select.table, TableName());
    if (TakeWord("where")) {
      do {
        ARROW_ASSIGN_OR_RAISE(Condition condition, OneCondition());
        select.where.push_back(std::move(condition));
      } while (TakeWord("and"));
    }
    if (TakeWord("order")) {
      ARROW_RETURN_NOT_OK(NeedWord("by"));
      ARROW_ASSIGN_OR_RAISE(select.order_by, Name());
      select.descending = TakeWord("desc");
      if (!select.descending) TakeWord("asc");
      if (TakeWord("nulls") && !TakeWord("first")) ARROW_RETURN_NOT_OK(NeedWord("last"));  // the time column has none
    }
    if (TakeWord("limit")) {
      ARROW_ASSIGN_OR_RAISE(select.limit, AnyValue());
      const bool counts = select.limit->kind == Value::Kind::kNumber || select.limit->kind == Value::Kind::kParameter;
      if (!counts) return Fail(ADBC_STATUS_NOT_IMPLEMENTED, "LIMIT takes a number or a parameter");
    }
    return select;
  }

  std::vector<Token> tokens_;
  size_t next_ = 0;
  int plain_parameters_ = 0;
  int numbered_parameters_ = 0;
};

}  // namespace

arrow::Result<Statement> Parse(std::string_view text) {
  ARROW_ASSIGN_OR_RAISE(std::vector<Token> tokens, Tokenize(text));
  return Parser(std::move(tokens)).Whole();
}

arrow::Result<int64_t> ReadDuration(std::string_view text) {
  static const std::map<std::string, int64_t> kUnits = {{"millisecond", 1},  {"second", 1000},
                                                        {"minute", 60'000},  {"hour", 3'600'000},
                                                        {"day", 86'400'000}, {"week", 604'800'000}};
  constexpr int64_t kYears100 = 3'155'760'000'000;
  int64_t count = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), count);
  std::string unit(end, text.data() + text.size());
  if (!unit.empty() && unit.front() == ' ') unit.erase(0, 1);
  if (!unit.empty() && unit.back() == 's') unit.pop_back();
  const auto found = kUnits.find(unit);
  if (failure != std::errc() || found == kUnits.end() || count <= 0 || count > kYears100 / found->second) {
    return Fail(ADBC_STATUS_INVALID_ARGUMENT, "Not a duration: " + std::string(text) +
                                                  " (write '7 days', '36 hours', '90 seconds'; at most 100 years)");
  }
  return count * found->second;
}

}  // namespace adbc_redis::sql
