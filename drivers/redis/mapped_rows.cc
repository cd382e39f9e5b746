#include "mapped_rows.h"

#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <unordered_set>

#include "cell.h"
#include "failure.h"

namespace adbc_redis {
namespace {

constexpr size_t kHashesMax = 5'000'000;  // whose keys are held, since SCAN may give one twice
constexpr Wide kNanosAMilli = 1'000'000;

const redisReply* FieldOf(const redisReply& reply, size_t at) {
  return at < reply.elements && reply.element[at]->type != REDIS_REPLY_NIL ? reply.element[at] : nullptr;
}

// Hashes under `before` KEY `behind`.
class Hashes final : public MappedRows {
 public:
  Hashes(const Tables& tables, const SelectPlan& plan, const Scan& scan, int64_t page, const CancelFlag* cancel)
      : tables_(tables), plan_(plan), page_(page), cancel_(cancel), known_(scan.keys) {
    const size_t star = plan.table->place.find('*');
    before_ = plan.table->place.substr(0, star);
    behind_ = plan.table->place.substr(star + 1);
    for (const int column : plan.columns) {
      if (column != plan.table->key) fields_.push_back(plan.table->schema->field(column)->name());
    }
  }

  arrow::Result<std::vector<MappedRow>> Next() override {
    std::vector<MappedRow> rows;
    while (rows.empty() && !ended_) {
      ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> keys, known_ ? NextKnown() : NextFound());
      ARROW_ASSIGN_OR_RAISE(rows, Fetch(keys));
    }
    return rows;
  }

 private:
  std::vector<std::string> NextKnown() {
    const size_t end = std::min(known_->size(), next_ + static_cast<size_t>(page_));
    std::vector<std::string> keys(known_->begin() + static_cast<std::ptrdiff_t>(next_),
                                  known_->begin() + static_cast<std::ptrdiff_t>(end));
    next_ = end;
    ended_ = next_ == known_->size();
    return keys;
  }

  arrow::Result<std::vector<std::string>> NextFound() {
    ARROW_ASSIGN_OR_RAISE(const Reply reply, tables_.wire()->Run({"SCAN", cursor_, "MATCH", plan_.table->place, "COUNT",
                                                                  std::to_string(page_), "TYPE", "hash"},
                                                                 cancel_));
    if (reply->elements != 2) return Fail(ADBC_STATUS_INVALID_DATA, "The server answered SCAN with something else");
    cursor_ = TextOf(*reply->element[0]);
    ended_ = cursor_ == "0";
    std::vector<std::string> keys;
    const redisReply& page = *reply->element[1];
    for (size_t i = 0; i < page.elements; ++i) {
      const std::string_view name = TextOf(*page.element[i]);
      if (name.size() < before_.size() + behind_.size()) continue;  // the two would overlap
      std::string key(name.substr(before_.size(), name.size() - before_.size() - behind_.size()));
      ARROW_RETURN_NOT_OK(CheckKey(name, key));
      if (seen_.insert(key).second) keys.push_back(std::move(key));
    }
    if (seen_.size() <= kHashesMax) return keys;
    return Fail(ADBC_STATUS_NOT_IMPLEMENTED, "Table " + plan_.table->name + " maps more than " +
                                                 std::to_string(kHashesMax) + " hashes: ask for some of them by key");
  }

  // Looked up by its key the same hash must be found, and no other.
  arrow::Status CheckKey(std::string_view name, const std::string& key) const {
    const Table& table = *plan_.table;
    if (!table.has_key() || !arrow::is_integer(table.schema->field(table.key)->type()->id()))
      return arrow::Status::OK();
    std::string text;
    const sql::Value number{.kind = sql::Value::Kind::kNumber, .text = key};
    const bool digits = !key.empty() && key.find_first_not_of("-0123456789") == std::string::npos;
    const bool plain = digits && WriteCell(number, *table.schema->field(table.key)->type(), text).ok() && text == key;
    if (plain) return arrow::Status::OK();
    return Fail(ADBC_STATUS_INVALID_DATA, "Key " + Printable(name) + " of table " + table.name + " has no plain " +
                                              table.schema->field(table.key)->type()->ToString() +
                                              " for its primary key: declare it TEXT");
  }

  arrow::Result<std::vector<MappedRow>> Fetch(const std::vector<std::string>& keys) {
    std::vector<MappedRow> rows;
    if (keys.empty()) return rows;
    Pipeline pipeline;
    for (const std::string& key : keys) {
      const std::string name = before_ + key + behind_;
      pipeline.Add({"HLEN", name});
      if (fields_.empty()) continue;
      pipeline.Command(2 + fields_.size()).Word("HMGET").Word(name);
      for (const std::string& field : fields_) pipeline.Word(field);
    }
    ARROW_ASSIGN_OR_RAISE(const Replies replies, tables_.wire()->Run(pipeline, cancel_));
    const size_t step = fields_.empty() ? 1 : 2;
    for (size_t i = 0; i < keys.size(); ++i) {
      if (replies[i * step]->integer == 0) continue;  // gone, or never there
      MappedRow row{.key = keys[i], .cells = {}};
      size_t field = 0;
      for (const int column : plan_.columns) {
        if (column == plan_.table->key) {
          row.cells.emplace_back(keys[i]);
          continue;
        }
        const redisReply* value = FieldOf(*replies[i * step + 1], field++);
        row.cells.push_back(value == nullptr ? std::nullopt : std::optional<std::string>(TextOf(*value)));
      }
      rows.push_back(std::move(row));
    }
    return rows;
  }

  const Tables& tables_;
  const SelectPlan& plan_;
  const int64_t page_;
  const CancelFlag* cancel_;
  const std::optional<std::vector<std::string>> known_;
  std::string before_;
  std::string behind_;
  std::vector<std::string> fields_;
  size_t next_ = 0;
  std::string cursor_ = "0";
  std::unordered_set<std::string> seen_;
  bool ended_ = false;
};

// Entries of a stream, in the order of their ids, which is that of their times.
class Entries final : public MappedRows {
 public:
  Entries(const Tables& tables, const SelectPlan& plan, const Scan& scan, int64_t page, const CancelFlag* cancel)
      : tables_(tables), plan_(plan), page_(std::min(page, scan.limit)), cancel_(cancel) {
    descending_ = plan.ordered && plan.descending;
    least_ = std::max<Wide>(0, scan.least ? -((-*scan.least) / kNanosAMilli) : 0);
    if (scan.least && *scan.least > 0) least_ = (*scan.least + kNanosAMilli - 1) / kNanosAMilli;
    most_ = scan.most ? (*scan.most < 0 ? Wide{-1} : *scan.most / kNanosAMilli)
                      : Wide{std::numeric_limits<uint64_t>::max()};
    ended_ = least_ > most_ || least_ > Wide{std::numeric_limits<uint64_t>::max()};
    first_ = Text(least_);
    last_ = Text(most_);
    if (!scan.keys) return;
    known_.emplace();
    for (const std::string& key : *scan.keys) {
      const auto id = ReadEntryId(key);
      if (id && Wide{id->milliseconds} >= least_ && Wide{id->milliseconds} <= most_) known_->push_back(*id);
    }
    std::ranges::sort(*known_);
    if (descending_) std::ranges::reverse(*known_);
  }

  arrow::Result<std::vector<MappedRow>> Next() override {
    std::vector<MappedRow> rows;
    if (known_) {
      while (rows.empty() && next_ < known_->size()) {
        ARROW_RETURN_NOT_OK(FetchKnown(rows));
      }
      return rows;
    }
    if (ended_) return rows;
    const std::string count = std::to_string(std::max<int64_t>(page_, 1));
    const char* command = descending_ ? "XREVRANGE" : "XRANGE";
    ARROW_ASSIGN_OR_RAISE(const Reply page,
                          tables_.wire()->Run({command, plan_.table->place, descending_ ? last_ : first_,
                                               descending_ ? first_ : last_, "COUNT", count},
                                              cancel_));
    ended_ = static_cast<int64_t>(page->elements) < page_;
    ARROW_RETURN_NOT_OK(AddEntries(*page, rows));
    if (!rows.empty()) (descending_ ? last_ : first_) = "(" + rows.back().key;
    return rows;
  }

 private:
  static std::string Text(Wide milliseconds) {
    const Wide most = std::numeric_limits<uint64_t>::max();
    return std::to_string(static_cast<uint64_t>(std::clamp<Wide>(milliseconds, 0, most)));
  }

  arrow::Status FetchKnown(std::vector<MappedRow>& rows) {
    Pipeline pipeline;
    for (int64_t i = 0; i < page_ && next_ < known_->size(); ++i, ++next_) {
      const std::string id = (*known_)[next_].ToString();
      pipeline.Add({"XRANGE", plan_.table->place, id, id});
    }
    ARROW_ASSIGN_OR_RAISE(const Replies replies, tables_.wire()->Run(pipeline, cancel_));
    for (const Reply& reply : replies) ARROW_RETURN_NOT_OK(AddEntries(*reply, rows));
    return arrow::Status::OK();
  }

  arrow::Status AddEntries(const redisReply& page, std::vector<MappedRow>& rows) const {
    for (size_t i = 0; i < page.elements; ++i) {
      const redisReply& entry = *page.element[i];
      if (entry.elements != 2) return Fail(ADBC_STATUS_INVALID_DATA, "The server answered XRANGE with something else");
      MappedRow row{.key = std::string(TextOf(*entry.element[0])), .cells = {}};
      for (const int column : plan_.columns) {
        ARROW_ASSIGN_OR_RAISE(auto cell, CellOf(row.key, *entry.element[1], column));
        row.cells.push_back(std::move(cell));
      }
      rows.push_back(std::move(row));
    }
    return arrow::Status::OK();
  }

  arrow::Result<std::optional<std::string>> CellOf(const std::string& id, const redisReply& fields, int column) const {
    const Table& table = *plan_.table;
    if (column == table.key) return id;
    if (column == table.time) return id.substr(0, id.find('-'));
    const std::string& name = table.schema->field(column)->name();
    std::optional<std::string> cell;
    for (size_t i = 0; i + 1 < fields.elements; i += 2) {
      if (TextOf(*fields.element[i]) != name) continue;
      if (cell) {
        return Fail(ADBC_STATUS_INVALID_DATA,
                    "Entry " + id + " of stream " + Printable(table.place) + " has two fields " + Printable(name));
      }
      cell = std::string(TextOf(*fields.element[i + 1]));
    }
    return cell;
  }

  const Tables& tables_;
  const SelectPlan& plan_;
  const int64_t page_;
  const CancelFlag* cancel_;
  bool descending_ = false;
  Wide least_ = 0;  // milliseconds; both ends belong to it
  Wide most_ = 0;
  std::string first_;
  std::string last_;
  std::optional<std::vector<EntryId>> known_;
  size_t next_ = 0;
  bool ended_ = false;
};

}  // namespace

std::optional<EntryId> ReadEntryId(std::string_view text) {
  EntryId id;
  const char* const end = text.data() + text.size();
  const auto milliseconds = std::from_chars(text.data(), end, id.milliseconds);
  if (milliseconds.ec != std::errc() || milliseconds.ptr == end || *milliseconds.ptr != '-') return std::nullopt;
  const auto count = std::from_chars(milliseconds.ptr + 1, end, id.count);
  if (count.ec != std::errc() || count.ptr != end || id.ToString() != text) return std::nullopt;
  return id;
}

std::unique_ptr<MappedRows> RowsOfPlace(const Tables& tables, const SelectPlan& plan, const Scan& scan, int64_t page,
                                        const CancelFlag* cancel) {
  if (plan.table->source == Source::kHashes) return std::make_unique<Hashes>(tables, plan, scan, page, cancel);
  return std::make_unique<Entries>(tables, plan, scan, page, cancel);
}

}  // namespace adbc_redis
