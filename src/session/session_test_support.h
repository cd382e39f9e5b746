// Sessions over the real engine and commit path, in memory or in a file, for tests.
#pragma once

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "commit/commit_path.h"
#include "engine/engine.h"
#include "session/session.h"
#include "session/session_registry.h"

namespace hyprstream::session {

class SessionTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(""); }

  void Open(const std::string& path) {
    registry_.reset();
    commits_.reset();
    engine_.reset();
    engine_ = engine::Engine::Make({.path = path, .threads = 2}).ValueOrDie();
    commits_ = commit::CommitPath::Make(*engine_).ValueOrDie();
    registry_ = SessionRegistry::Make(*engine_, *commits_, {}).ValueOrDie();
    registry_->Connected("test");
    session_ = NewSession("main");
  }

  std::shared_ptr<Session> NewSession(const std::string& key, const std::string& peer = "test") {
    return registry_->Open({.kind = SessionKey::Kind::kConnection, .value = key}, {}, peer).ValueOrDie();
  }

  // Rows as text, `1|a|2.5` a line; or the error.
  std::string Rows(const std::string& sql, Session* session = nullptr, const Handle& transaction = {}) {
    session = session != nullptr ? session : session_.get();
    auto started = session->Start(context_, sql, transaction);
    if (!started.ok()) return "ERROR " + started.status().ToString();
    auto reader = session->Fetch(context_, started->ticket);
    if (!reader.ok()) return "ERROR " + reader.status().ToString();
    EXPECT_TRUE((*reader)->schema()->Equals(*started->schema)) << (*reader)->schema()->ToString();
    auto batches = (*reader)->ToRecordBatches();
    if (!batches.ok()) return "ERROR " + batches.status().ToString();
    std::string text;
    for (const auto& batch : *batches) {
      for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
        for (int column = 0; column < batch->num_columns(); ++column) {
          text += (column == 0 ? "" : "|") + batch->column(column)->GetScalar(row).ValueOrDie()->ToString();
        }
        text += "\n";
      }
    }
    return text;
  }

  std::int64_t Update(const std::string& sql, const Handle& transaction = {}) {
    auto rows = session_->Update(context_, sql, transaction);
    EXPECT_TRUE(rows.ok()) << sql << ": " << rows.status();
    return rows.ok() ? *rows : -99;
  }
  std::string UpdateError(const std::string& sql, const Handle& transaction = {}) {
    return session_->Update(context_, sql, transaction).status().ToString();
  }

  void MakeSales() {
    Update("CREATE TABLE sales (ts TIMESTAMP, region VARCHAR, amount DOUBLE, n INTEGER) WITH (time = 'ts')");
    Update(std::string("CREATE MATERIALIZED VIEW sales_5m AS ") + kDefinition);
  }
  // The view equals its SELECT over raw rows.
  void ExpectOracle() {
    Update("SET use_views = false");
    EXPECT_EQ(Rows("SELECT * FROM sales_5m ORDER BY ALL"), Rows(std::string(kDefinition) + " ORDER BY ALL"));
  }

  static constexpr const char* kDefinition =
      "SELECT time_bucket(INTERVAL '5 minutes', ts) AS window_start, region, count(*) AS orders, sum(amount) AS "
      "revenue, "
      "avg(amount) AS mean, min(n) AS low, max(n) AS high, sum(n) AS total FROM sales GROUP BY ALL";

  // An hour's work, unless somebody stops it.
  static constexpr const char* kEndless =
      "SELECT count(*) FROM range(10000000000) a, range(1000) b WHERE a.range % 7 = b.range % 5";

  void Reopen(SessionLimits limits) {
    session_.reset();
    registry_ = SessionRegistry::Make(*engine_, *commits_, limits).ValueOrDie();
    registry_->Connected("test");
    session_ = NewSession("main");
  }

  std::string StateOf(const std::string& text) {
    for (const auto& query : registry_->Queries()) {
      if (query.text.starts_with(text)) return query.state;
    }
    return "";
  }

  static void WaitFor(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "the condition did not come true";
      std::this_thread::yield();
    }
  }

  RequestContext context_{.request_id = "test", .identity = {}, .cancelled = {}};
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<commit::CommitPath> commits_;
  std::unique_ptr<SessionRegistry> registry_;
  std::shared_ptr<Session> session_;
};

}  // namespace hyprstream::session
