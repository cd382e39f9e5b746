// Redis or Valkey through hiredis alone: what our driver's reading is held against.
#include <arrow/status.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "bench/bench_rows.h"
#include "bench/task.h"

namespace hyprstream::bench {

namespace {

constexpr std::int64_t kPipeline = 1'000;  // as the driver's own

struct FreeContext {
  void operator()(redisContext* context) const { redisFree(context); }
};
struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

// HGETALL of `rows` rows from the one of `first_row`, whose keys are `table` and their ids; the replies are read and
// dropped.
class ReadTask final : public Task {
 public:
  arrow::Status Open(const TaskOptions& options) {
    options_ = options;
    const auto colon = options.url.rfind(':');
    const auto host = options.url.substr(0, colon);
    context_.reset(redisConnect(host.c_str(), std::atoi(options.url.c_str() + colon + 1)));
    if (context_ == nullptr || context_->err != 0) return arrow::Status::IOError("no connection to ", options.url);
    return arrow::Status::OK();
  }

  arrow::Result<double> Run() override {
    if (fingerprint_.empty()) {
      Fingerprint found;
      ARROW_RETURN_NOT_OK(ReadAll(&found));
      fingerprint_ = found.Text();
    }
    const Stopwatch watch;
    ARROW_RETURN_NOT_OK(ReadAll(nullptr));
    return static_cast<double>(options_.rows) / watch.seconds();
  }
  std::map<std::string, std::string> Facts() const override { return {{"fingerprint", fingerprint_}}; }

 private:
  arrow::Status ReadAll(Fingerprint* found) {
    for (std::int64_t first = 0; first < options_.rows; first += kPipeline) {
      const auto end = std::min(first + kPipeline, options_.rows);
      for (auto row = first; row < end; ++row) {
        const auto key = options_.table + std::to_string(kFirstId + options_.first_row + row);
        redisAppendCommand(context_.get(), "HGETALL %b", key.data(), key.size());
      }
      for (auto row = first; row < end; ++row) ARROW_RETURN_NOT_OK(ReadOne(found));
    }
    return arrow::Status::OK();
  }

  arrow::Status ReadOne(Fingerprint* found) {
    void* answer = nullptr;
    if (redisGetReply(context_.get(), &answer) != REDIS_OK) return arrow::Status::IOError(context_->errstr);
    const Reply reply(static_cast<redisReply*>(answer));
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0) return arrow::Status::Invalid("a row is not there");
    if (found == nullptr) return arrow::Status::OK();
    found->AddRows(1);
    for (std::size_t i = 0; i + 1 < reply->elements; i += 2) {
      const std::string name = reply->element[i]->str;
      const char* text = reply->element[i + 1]->str;
      found->AddValue(name, name == "amount" ? std::bit_cast<std::uint64_t>(std::strtod(text, nullptr))
                                             : static_cast<std::uint64_t>(std::atoll(text)));
    }
    return arrow::Status::OK();
  }

  TaskOptions options_;
  std::unique_ptr<redisContext, FreeContext> context_;
  std::string fingerprint_;
};

}  // namespace

arrow::Result<std::unique_ptr<Task>> MakeRedisTask(const TaskOptions& options) {
  if (options.kind == "redis-read") return OpenTask<ReadTask>(options);
  return arrow::Status::Invalid("Unknown kind of task: ", options.kind);
}

}  // namespace hyprstream::bench
