#include "key_cursor.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "failure.h"

namespace adbc_redis {
namespace {

class Known final : public KeyCursor {
 public:
  explicit Known(std::vector<std::string> keys) : keys_(std::move(keys)) {}
  arrow::Result<std::vector<std::string>> Next(size_t count) override {
    const size_t end = std::min(keys_.size(), next_ + count);
    std::vector<std::string> page(keys_.begin() + static_cast<std::ptrdiff_t>(next_),
                                  keys_.begin() + static_cast<std::ptrdiff_t>(end));
    next_ = end;
    return page;
  }

 private:
  std::vector<std::string> keys_;
  size_t next_ = 0;
};

// Runs one ZRANGE; at the end of an index makes sure that it is the end and that the index is not gone.
class IndexCursor : public KeyCursor {
 public:
  IndexCursor(const Tables& tables, const Table& table, const CancelFlag* cancel)
      : tables_(tables),
        table_(table),
        names_(tables.Names(table.name)),
        index_(names_.Index(table.version)),
        cancel_(cancel) {}

 protected:
  arrow::Result<Reply> Page(Pipeline zrange, size_t wanted) {
    zrange.Add({"EXISTS", index_});
    zrange.Add({"GET", names_.Schema()});
    ARROW_ASSIGN_OR_RAISE(Replies replies, tables_.wire()->Run(zrange, cancel_));
    if (replies[0]->elements < wanted && replies[1]->integer == 0)
      ARROW_RETURN_NOT_OK(CheckVersion(table_, *replies[2]));
    return std::move(replies[0]);
  }

  const Tables& tables_;
  const Table& table_;
  const KeyNames names_;
  const std::string index_;
  const CancelFlag* cancel_;
};

class ByKey final : public IndexCursor {
 public:
  using IndexCursor::IndexCursor;
  arrow::Result<std::vector<std::string>> Next(size_t count) override {
    Pipeline pipeline;
    pipeline.Add({"ZRANGE", index_, after_, "+", "BYLEX", "LIMIT", "0", std::to_string(count)});
    ARROW_ASSIGN_OR_RAISE(const Reply page, Page(std::move(pipeline), count));
    std::vector<std::string> keys;
    for (size_t i = 0; i < page->elements; ++i) keys.emplace_back(TextOf(*page->element[i]));
    if (!keys.empty()) after_ = "(" + keys.back();
    return keys;
  }

 private:
  std::string after_ = "-";
};

// A page goes on from the last score, behind as many keys of that score as were given: an offset from the start would
// make the server count all of them again for each page.
class ByTime final : public IndexCursor {
 public:
  ByTime(const Tables& tables, const Table& table, TimeRange range, const CancelFlag* cancel)
      : IndexCursor(tables, table, cancel), range_(range) {}

  arrow::Result<std::vector<std::string>> Next(size_t count) override {
    Pipeline pipeline;
    const std::string least = Text(range_.least);
    const std::string most = Text(range_.most);
    const std::string given = std::to_string(given_of_score_);
    if (range_.descending) {
      pipeline.Add(
          {"ZRANGE", index_, most, least, "BYSCORE", "REV", "LIMIT", given, std::to_string(count), "WITHSCORES"});
    } else {
      pipeline.Add({"ZRANGE", index_, least, most, "BYSCORE", "LIMIT", given, std::to_string(count), "WITHSCORES"});
    }
    ARROW_ASSIGN_OR_RAISE(const Reply page, Page(std::move(pipeline), 2 * count));
    std::vector<std::string> keys;
    for (size_t i = 0; i + 1 < page->elements; i += 2) {
      keys.emplace_back(TextOf(*page->element[i]));
      ARROW_RETURN_NOT_OK(Follow(TextOf(*page->element[i + 1])));
    }
    ended_ = keys.size() < count;
    return keys;
  }

  std::optional<double> open_score() const override {
    constexpr double kExact = 9007199254740992.0;
    if (ended_ || given_of_score_ == 0 || std::abs(last_) < kExact) return std::nullopt;
    return last_;
  }

 private:
  static std::string Text(double score) {
    if (std::isinf(score)) return score < 0 ? "-inf" : "+inf";
    char buffer[32];
    return {buffer, std::to_chars(buffer, buffer + sizeof(buffer), score).ptr};
  }

  arrow::Status Follow(std::string_view text) {
    double score = 0;
    std::from_chars(text.data(), text.data() + text.size(), score);
    if (given_of_score_ == 0 || score != last_) given_of_score_ = 0;
    ++given_of_score_;
    last_ = score;
    (range_.descending ? range_.most : range_.least) = score;
    return arrow::Status::OK();
  }

  TimeRange range_;
  double last_ = 0;
  int64_t given_of_score_ = 0;
  bool ended_ = false;
};

}  // namespace

arrow::Status CheckVersion(const Table& table, const redisReply& schema) {
  if (schema.type == REDIS_REPLY_NIL) {
    return Fail(ADBC_STATUS_INVALID_STATE, "Table " + table.name + " was dropped while it was read");
  }
  ARROW_ASSIGN_OR_RAISE(const Table now, TableFromJson(table.name, TextOf(schema)));
  if (now.version == table.version) return arrow::Status::OK();
  return Fail(ADBC_STATUS_INVALID_STATE,
              "Table " + table.name + " was replaced while it was read: run the query again");
}

std::unique_ptr<KeyCursor> KnownKeys(std::vector<std::string> keys) { return std::make_unique<Known>(std::move(keys)); }

std::unique_ptr<KeyCursor> AllKeys(const Tables& tables, const Table& table, const CancelFlag* cancel) {
  return std::make_unique<ByKey>(tables, table, cancel);
}

std::unique_ptr<KeyCursor> KeysByTime(const Tables& tables, const Table& table, TimeRange range,
                                      const CancelFlag* cancel) {
  return std::make_unique<ByTime>(tables, table, range, cancel);
}

}  // namespace adbc_redis
