#include "table.h"

#include <arrow/c/bridge.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/utf8.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "cell.h"
#include "failure.h"
#include "transaction.h"

namespace adbc_redis {
namespace {

constexpr int kFormat = 1;
constexpr int kMappedFormat = 2;  // which earlier drivers would take for an empty table
constexpr int64_t kRetirePage = 1000;

// Types are written as in Arrow's C data interface, "tsu:UTC".
arrow::Result<std::string> FormatOf(const arrow::DataType& type) {
  ArrowSchema exported = {};
  ARROW_RETURN_NOT_OK(arrow::ExportType(type, &exported));
  std::string format = exported.format;
  exported.release(&exported);
  return format;
}

arrow::Result<std::shared_ptr<arrow::DataType>> TypeOfFormat(const std::string& format) {
  ArrowSchema described = {};
  described.format = format.c_str();
  described.name = "";
  described.flags = ARROW_FLAG_NULLABLE;
  described.release = [](ArrowSchema* schema) { schema->release = nullptr; };
  return arrow::ImportType(&described);
}

arrow::Status NoTable(const std::string& name, std::string_view why) {
  return Fail(ADBC_STATUS_INVALID_DATA,
              "The description of table " + name + " is damaged (" + std::string(why) + "): its key ends with #schema");
}

arrow::Status Malformed(std::string text) { return Fail(ADBC_STATUS_INVALID_ARGUMENT, std::move(text)); }

arrow::Status CheckName(const std::string& name) {
  const bool bad =
      name.empty() || name.size() > 256 || !arrow::util::ValidateUTF8(name) ||
      std::ranges::any_of(name, [](char letter) {
        return letter == '{' || letter == '}' || static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f;
      });
  if (!bad) return arrow::Status::OK();
  return Malformed("Not a table's name: '" + Printable(name) +
                   "' (up to 256 bytes of UTF-8 without { } and control characters)");
}

arrow::Status CheckColumn(const arrow::Field& field) {
  if (field.name().empty() || !arrow::util::ValidateUTF8(field.name())) {
    return Malformed("A column needs a name of UTF-8, not '" + Printable(field.name()) + "'");
  }
  ARROW_ASSIGN_OR_RAISE(const auto stored, StoredType(*field.type()));
  if (!stored->Equals(*field.type())) return Malformed("Column " + field.name() + " is not of a plain type");
  if (field.type()->id() == arrow::Type::DECIMAL128 &&
      static_cast<const arrow::Decimal128Type&>(*field.type()).scale() < 0) {
    return Fail(ADBC_STATUS_NOT_IMPLEMENTED, "Column " + field.name() + ": decimals of negative scale cannot be kept");
  }
  return arrow::Status::OK();
}

arrow::Status CheckHashes(const Table& table) {
  const bool good = std::ranges::count(table.place, '*') == 1 && table.place.size() > 1 &&
                    table.place.find_first_of("?[]\\") == std::string::npos;
  if (!good) {
    return Malformed("Not a pattern of hashes: '" + Printable(table.place) +
                     "' (one *, which stands for the primary key, among other letters, and no ? [ ] \\)");
  }
  if (table.has_key()) {
    const auto id = table.schema->field(table.key)->type()->id();
    if (!arrow::is_integer(id) && id != arrow::Type::STRING && id != arrow::Type::BINARY) {
      return Malformed("The primary key of hashes is what stands for the *, a TEXT, a BLOB or an integer");
    }
  }
  if (table.time >= 0 || table.retention_ms > 0) {
    return Malformed("Hashes of others have no index by time, and are not expired: leave `time` and `retention` out");
  }
  return arrow::Status::OK();
}

arrow::Status CheckStream(const Table& table) {
  if (table.place.empty()) return Malformed("The name of a stream may not be empty");
  if (table.retention_ms > 0) return Malformed("Streams are trimmed by those who own them: leave `retention` out");
  if (table.has_key() && table.schema->field(table.key)->type()->id() != arrow::Type::STRING) {
    return Malformed("The primary key of a stream is the id of its entries, a TEXT");
  }
  if (table.time < 0) return arrow::Status::OK();
  const auto& type = *table.schema->field(table.time)->type();
  if (type.id() == arrow::Type::TIMESTAMP &&
      static_cast<const arrow::TimestampType&>(type).unit() == arrow::TimeUnit::MILLI) {
    return arrow::Status::OK();
  }
  return Malformed("The time column of a stream is the time of its entries' ids, a TIMESTAMP(3)");
}

}  // namespace

const std::string& Table::present_field() const {
  static const std::string marker;
  return has_key() ? schema->field(key)->name() : marker;
}

arrow::Status CheckTable(const Table& table) {
  arrow::util::InitializeUTF8();
  ARROW_RETURN_NOT_OK(CheckName(table.name));
  if (table.schema->num_fields() == 0) return Malformed("Table " + table.name + " has no columns");
  std::set<std::string> names;
  for (const auto& field : table.schema->fields()) {
    ARROW_RETURN_NOT_OK(CheckColumn(*field));
    if (!names.insert(field->name()).second) return Malformed("Two columns are called " + field->name());
  }
  if (table.has_key()) {
    const auto id = table.schema->field(table.key)->type()->id();
    if (id == arrow::Type::FLOAT || id == arrow::Type::DOUBLE) {
      return Malformed("PRIMARY KEY " + table.present_field() +
                       ": floating-point numbers make no keys; use DECIMAL or TEXT");
    }
  }
  if (table.time >= 0) {
    const auto& field = table.schema->field(table.time);
    if (field->type()->id() != arrow::Type::TIMESTAMP && field->type()->id() != arrow::Type::DATE32) {
      return Malformed("The time column " + field->name() + " must be a TIMESTAMP or a DATE, not " +
                       field->type()->ToString());
    }
  }
  if (table.source == Source::kHashes) return CheckHashes(table);
  if (table.source == Source::kStream) return CheckStream(table);
  if (table.retention_ms > 0 && table.time < 0)
    return Malformed("retention needs a time column: WITH (time = '…', retention = '…')");
  return arrow::Status::OK();
}

KeyNames::KeyNames(std::string_view prefix, std::string_view table)
    : base_("{" + std::string(prefix) + ":" + std::string(table) + "}:") {}

std::string KeyNames::Row(int64_t version, std::string_view key) const {
  std::string name = base_;
  name += std::to_string(version);
  name += ':';
  name += key;
  return name;
}

arrow::Status Tables::CheckPrefix(const std::string& prefix) {
  const bool good = !prefix.empty() && prefix.size() <= 64 && std::ranges::all_of(prefix, [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
           letter == '_' || letter == '-' || letter == '.';
  });
  return good ? arrow::Status::OK() : Malformed("adbc.redis.prefix takes up to 64 letters, digits and _ - .");
}

arrow::Result<std::string> TableToJson(const Table& table) {
  nlohmann::json columns = nlohmann::json::array();
  for (const auto& field : table.schema->fields()) {
    ARROW_ASSIGN_OR_RAISE(std::string format, FormatOf(*field->type()));
    columns.push_back({{"name", field->name()}, {"type", std::move(format)}, {"nullable", field->nullable()}});
  }
  const int format = table.source == Source::kOwn ? kFormat : kMappedFormat;
  nlohmann::json json = {{"format", format}, {"version", table.version}, {"columns", std::move(columns)}};
  if (table.has_key()) json["key"] = table.present_field();
  if (table.time >= 0) json["time"] = table.schema->field(table.time)->name();
  if (table.retention_ms > 0) json["retention_ms"] = table.retention_ms;
  if (table.source == Source::kHashes) json["hashes"] = table.place;
  if (table.source == Source::kStream) json["stream"] = table.place;
  return json.dump();
}

arrow::Result<Table> TableFromJson(const std::string& name, std::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("columns")) return NoTable(name, "no JSON");
  const auto format = json.value("format", nlohmann::json());
  if (format != kFormat && format != kMappedFormat) return NoTable(name, "written by another version of this driver");
  Table table;
  table.name = name;
  arrow::FieldVector fields;
  for (const nlohmann::json& column : json["columns"]) {
    if (!column.is_object() || !column.value("name", nlohmann::json()).is_string() ||
        !column.value("type", nlohmann::json()).is_string()) {
      return NoTable(name, "a column without name or type");
    }
    ARROW_ASSIGN_OR_RAISE(auto type, TypeOfFormat(column["type"].get<std::string>()));
    fields.push_back(arrow::field(column["name"].get<std::string>(), std::move(type),
                                  column.value("nullable", nlohmann::json()) != false));
  }
  table.schema = arrow::schema(std::move(fields));
  const auto column = [&](const char* role) {
    const auto found = json.find(role);
    return found != json.end() && found->is_string() ? table.schema->GetFieldIndex(found->get<std::string>()) : -1;
  };
  table.key = column("key");
  table.time = column("time");
  const auto number = [&](const char* role) {
    const auto found = json.find(role);
    return found != json.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
  };
  table.retention_ms = number("retention_ms");
  table.version = number("version");
  for (const auto& [role, source] : {std::pair("hashes", Source::kHashes), std::pair("stream", Source::kStream)}) {
    const auto found = json.find(role);
    if (found == json.end() || !found->is_string()) continue;
    table.source = source;
    table.place = found->get<std::string>();
  }
  if ((table.source == Source::kOwn) != (format == kFormat)) return NoTable(name, "of another format");
  ARROW_RETURN_NOT_OK(CheckTable(table));
  return table;
}

arrow::Result<std::unique_ptr<Table>> Tables::Find(const std::string& name) const {
  ARROW_RETURN_NOT_OK(CheckName(name));
  if (transaction_ != nullptr) {
    if (const auto* known = transaction_->Described(name)) return *known ? std::make_unique<Table>(**known) : nullptr;
    ARROW_RETURN_NOT_OK(transaction_->Watch({Names(name).Schema()}));
  }
  ARROW_ASSIGN_OR_RAISE(const Reply reply, wire_->Run({"GET", Names(name).Schema()}));
  if (reply->type == REDIS_REPLY_NIL) return nullptr;
  ARROW_ASSIGN_OR_RAISE(Table table, TableFromJson(name, TextOf(*reply)));
  return std::make_unique<Table>(std::move(table));
}

arrow::Result<Table> Tables::Load(const std::string& name) const {
  ARROW_ASSIGN_OR_RAISE(const std::unique_ptr<Table> table, Find(name));
  if (table == nullptr) {
    return Fail(ADBC_STATUS_NOT_FOUND, "Unknown table: " + Printable(name) + " (under the prefix " + prefix_ + ")");
  }
  return *table;
}

arrow::Result<std::vector<std::string>> Tables::List() const {
  ARROW_ASSIGN_OR_RAISE(const Reply reply, wire_->Run({"SMEMBERS", ListKey()}));
  std::vector<std::string> names;
  for (size_t i = 0; i < reply->elements; ++i) names.emplace_back(TextOf(*reply->element[i]));
  std::ranges::sort(names);
  return names;
}

Tables Tables::Within(std::shared_ptr<Transaction> transaction) const {
  Tables within = *this;
  within.transaction_ = std::move(transaction);
  return within;
}

arrow::Status Tables::NoteRead(const Table& table) const {
  if (transaction_ == nullptr) return arrow::Status::OK();
  if (transaction_->Changes(table.name)) {
    return Fail(ADBC_STATUS_NOT_IMPLEMENTED,
                "This transaction has changed table " + table.name +
                    ", and does not see that before its commit (MULTI): read first, or commit before you read");
  }
  std::vector<std::string> watched = {Names(table.name).Changes()};
  if (table.source == Source::kStream) watched.push_back(table.place);
  return transaction_->Watch(watched);
}

arrow::Status Tables::NoteLookUp(const Table& table) const {
  return transaction_ == nullptr ? arrow::Status::OK() : transaction_->Watch({table.place});
}

arrow::Result<std::vector<bool>> Tables::RowsThere(const Table& table, const std::vector<std::string>& keys,
                                                   const CancelFlag* cancel) const {
  constexpr size_t kWatchedOneByOneMax = 100;  // the server looks through what is watched already
  const KeyNames names = Names(table.name);
  std::vector<std::string> rows;
  rows.reserve(keys.size());
  for (const std::string& key : keys) rows.push_back(names.Row(table.version, key));
  if (transaction_ != nullptr && !transaction_->IsFresh(table)) {
    auto& written = transaction_->RowsOf(table.name);
    const bool few = written.size() + keys.size() <= kWatchedOneByOneMax;
    ARROW_RETURN_NOT_OK(transaction_->Watch(few ? rows : std::vector<std::string>{names.Changes()}));
  }
  Pipeline pipeline;
  for (const std::string& row : rows) pipeline.Add({"EXISTS", row});
  ARROW_ASSIGN_OR_RAISE(const Replies replies, wire_->Run(pipeline, cancel));
  std::vector<bool> there;
  for (const Reply& reply : replies) there.push_back(reply->integer > 0);
  if (transaction_ == nullptr || transaction_->IsFresh(table)) return there;
  const auto& written = transaction_->RowsOf(table.name);
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto found = written.find(keys[i]);
    if (found != written.end()) there[i] = found->second;
  }
  return there;
}

arrow::Status Tables::ChangeRows(const Table& table, Pipeline& commands, const std::vector<std::string>& keys,
                                 bool there, const CancelFlag* cancel, Posting* posting) const {
  const auto send = [&] {
    return posting == nullptr ? wire_->Run(commands, cancel).status() : posting->Add(commands, cancel);
  };
  if (transaction_ != nullptr && transaction_->IsFresh(table)) return send();
  commands.Add({"INCR", Names(table.name).Changes()});
  if (transaction_ == nullptr) return send();
  ARROW_RETURN_NOT_OK(transaction_->Hold(commands));
  transaction_->NoteChanged(table.name);
  auto& written = transaction_->RowsOf(table.name);
  for (const std::string& key : keys) written[key] = there;
  return arrow::Status::OK();
}

arrow::Result<int64_t> Tables::NewVersion(const std::string& name) const {
  ARROW_ASSIGN_OR_RAISE(const Reply reply, wire_->Run({"INCR", Names(name).Version()}));
  if (transaction_ != nullptr) transaction_->NoteVersion(name, reply->integer);
  return reply->integer;
}

arrow::Status Tables::Publish(const Table& table, bool must_be_new) const {
  ARROW_ASSIGN_OR_RAISE(const std::string json, TableToJson(table));
  Pipeline pipeline;
  pipeline.Add({"SADD", ListKey(), table.name});
  if (must_be_new) {
    pipeline.Add({"SET", Names(table.name).Schema(), json, "NX"});
  } else {
    pipeline.Add({"SET", Names(table.name).Schema(), json});
  }
  if (transaction_ != nullptr) {  // Find() watches the description, so that it still is what it was
    ARROW_RETURN_NOT_OK(transaction_->Hold(pipeline));
    transaction_->Describe(table.name, std::make_shared<const Table>(table));
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const Replies replies, wire_->Run(pipeline));
  if (replies[1]->type == REDIS_REPLY_NIL) {
    return Fail(ADBC_STATUS_ALREADY_EXISTS, "Table " + table.name + " exists already (DROP it, or append to it)");
  }
  return arrow::Status::OK();
}

arrow::Status Tables::Retire(const Table& table, int64_t grace_ms) const {
  if (transaction_ == nullptr) return RetireNow(table, grace_ms);
  transaction_->NoteRetired(table, grace_ms);
  return arrow::Status::OK();
}

arrow::Status Tables::RetireNow(const Table& table, int64_t grace_ms) const {
  const KeyNames names = Names(table.name);
  const std::string index = names.Index(table.version);
  const std::string grace = std::to_string(grace_ms);
  for (int64_t first = 0;; first += kRetirePage) {
    Pipeline asked;
    asked.Add({"ZRANGE", index, std::to_string(first), std::to_string(first + kRetirePage - 1)});
    ARROW_ASSIGN_OR_RAISE(const Replies pages, wire_->RunBriefly(asked));
    const Reply& page = pages.front();
    Pipeline pipeline;
    for (size_t i = 0; i < page->elements; ++i) {
      const std::string row = names.Row(table.version, TextOf(*page->element[i]));
      if (grace_ms > 0) {
        pipeline.Add({"PEXPIRE", row, grace, "LT"});
      } else {
        pipeline.Add({"UNLINK", row});
      }
    }
    const bool last = page->elements < static_cast<size_t>(kRetirePage);
    if (last && grace_ms > 0) pipeline.Add({"PEXPIRE", index, grace});
    if (last && grace_ms <= 0) pipeline.Add({"UNLINK", index});
    ARROW_RETURN_NOT_OK(wire_->RunBriefly(pipeline));
    if (last) return arrow::Status::OK();
  }
}

arrow::Status Tables::Drop(const Table& table) const {
  Pipeline pipeline;  // the counters stay: rows of a later table of this name must not meet these
  pipeline.Add({"DEL", Names(table.name).Schema(), Names(table.name).Changes()});
  pipeline.Add({"SREM", ListKey(), table.name});
  if (transaction_ != nullptr) {
    ARROW_RETURN_NOT_OK(transaction_->Hold(pipeline));
    transaction_->Describe(table.name, nullptr);
  } else {
    ARROW_RETURN_NOT_OK(wire_->Run(pipeline));
  }
  return Retire(table, 0);
}

}  // namespace adbc_redis
