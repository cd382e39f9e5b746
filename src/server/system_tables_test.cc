#include "server/system_tables.h"

#include <arrow/array/array_base.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/memory_budget.h"
#include "config/load_config.h"
#include "server/server_metrics.h"
#include "server/test_rooms.h"

namespace hyprstream::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SystemTablesTest : public ::testing::Test {
 protected:
  SystemTablesTest() {
    commits_.tables = {{.table = {.name = "sales"},
                        .options = {.time_column = "ts"},
                        .rows_accepted = 7,
                        .views = {{.name = "sales_5m"}, {.schema = "x", .name = "v"}}}};
    commit::ViewInfo& view = commits_.views.emplace_back();
    view.view = {.name = "sales_5m"};
    view.base = {.name = "sales"};
    view.definition = "SELECT 1";
    view.groups = 3;
    session::QueryInfo& query = sessions_.queries.emplace_back();
    query.text = "SELECT 1";
    query.state = "finished";
    sessions_.queries.emplace_back(query).state = "failed";
  }

  std::shared_ptr<arrow::RecordBatch> Read(const std::string& name, const config::LoadedConfig& settings,
                                           const Identity& reader = {.user = "root", .admin = true}) {
    const auto tables = SystemTables(commits_, sessions_, [this] { return backends_; }, settings);
    const auto table = std::ranges::find(tables, name, &engine::SystemTable::name);
    EXPECT_NE(table, tables.end()) << name;
    auto batches = table->rows(reader).ValueOrDie();
    EXPECT_EQ(batches.size(), 1u);
    EXPECT_TRUE(batches[0]->schema()->Equals(*table->schema));
    EXPECT_TRUE(batches[0]->ValidateFull().ok());
    return batches[0];
  }
  static std::string Cell(const arrow::RecordBatch& batch, const std::string& column, std::int64_t row) {
    return batch.GetColumnByName(column)->GetScalar(row).ValueOrDie()->ToString();
  }

  FakeCommitPath commits_;
  FakeSessionRegistry sessions_;
  std::vector<backend::BackendInfo> backends_;
  config::LoadedConfig settings_ = config::LoadConfig({}).ValueOrDie();
};

TEST_F(SystemTablesTest, ShowWhatTheRoomsReport) {
  auto tables = Read("tables", settings_);
  EXPECT_EQ(Cell(*tables, "table_name", 0), "sales");
  EXPECT_EQ(Cell(*tables, "time_column", 0), "ts");
  EXPECT_EQ(Cell(*tables, "rows_accepted", 0), "7");
  EXPECT_THAT(tables->GetColumnByName("views")->ToString(), HasSubstr("\"x.v\""));
  EXPECT_EQ(Cell(*Read("views", settings_), "status", 0), "ready");
  EXPECT_EQ(Read("queries", settings_)->num_rows(), 2);
  EXPECT_EQ(Cell(*Read("queries", settings_), "state", 1), "failed");
  EXPECT_EQ(Read("windows", settings_)->num_rows(), 0);
  EXPECT_EQ(Read("sessions", settings_)->num_rows(), 0);
}

TEST_F(SystemTablesTest, OnlyAnAdminSeesWhatOthersDo) {
  sessions_.queries[0].user = "ada";
  sessions_.queries[1].user = "bob";
  sessions_.sessions = {{.id = "s1", .user = "ada", .peer = {}}, {.id = "s2", .user = "bob", .peer = {}}};
  const Identity ada{.user = "ada", .admin = false};
  EXPECT_EQ(Read("queries", settings_, ada)->num_rows(), 1);
  EXPECT_EQ(Cell(*Read("queries", settings_, ada), "user_name", 0), "ada");
  EXPECT_EQ(Read("sessions", settings_, ada)->num_rows(), 1);
  EXPECT_EQ(Read("sessions", settings_, {.user = "eve", .admin = false})->num_rows(), 0);
  EXPECT_EQ(Read("queries", settings_)->num_rows(), 2);
  EXPECT_EQ(Read("sessions", settings_)->num_rows(), 2);
}

TEST_F(SystemTablesTest, BackendsAreTheOperators) {
  backends_ = {{.name = "warehouse",
                .driver = "postgresql",
                .driver_version = "1.13.0",
                .target = "postgresql at h:5432/d",
                .state = backend::BackendState::kUnavailable,
                .breaker = "open",
                .pool_in_use = 1,
                .pool_idle = 2,
                .statements = 3,
                .errors = 4,
                .latency_p50 = std::chrono::microseconds(1500),
                .latency_p99 = std::chrono::microseconds(2500),
                .last_error = "cannot be reached"}};
  EXPECT_EQ(Cell(*Read("backends", settings_), "state", 0), "unavailable");
  EXPECT_EQ(Cell(*Read("backends", settings_), "latency_p50_ms", 0), "1.5");
  EXPECT_EQ(Read("backends", settings_, {.user = "bob", .admin = false})->num_rows(), 0);
  EXPECT_EQ(Read("backends", settings_, {.user = "", .admin = false})->num_rows(), 1);
}

TEST_F(SystemTablesTest, SettingsHidePathsAndUsers) {
  const config::LoadedConfig settings =
      config::LoadConfig({.flags = {{"data", "/secret/folder"}, {"port", "7"}},
                          .environment = {{"HYPRSTREAM_USERS", "a = { token = 's3cret' }"}}})
          .ValueOrDie();
  const std::string text = Read("settings", settings)->ToString();
  EXPECT_THAT(text, Not(HasSubstr("/secret/folder")));
  EXPECT_THAT(text, Not(HasSubstr("s3cret")));
  EXPECT_THAT(text, HasSubstr("\"flag\""));
}

TEST_F(SystemTablesTest, MetricsCountTheSameThings) {
  auto memory = MemoryBudget::Make(100, {{"messages", 40}}).ValueOrDie();
  auto held = memory->share("messages").Reserve(30, {}).ValueOrDie();
  const std::string text = http::RenderMetrics(CollectMetrics(
      {.commits = commits_, .sessions = sessions_, .memory = *memory, .version = "1.2.3", .started = {}}));
  EXPECT_THAT(text, HasSubstr("hyprstream_build_info{version=\"1.2.3\"} 1"));
  EXPECT_THAT(text, HasSubstr("hyprstream_rows_accepted_total{table=\"sales\"} 7"));
  EXPECT_THAT(text, HasSubstr("hyprstream_recent_queries{state=\"failed\"} 1"));
  EXPECT_THAT(text, HasSubstr("hyprstream_view_groups{view=\"sales_5m\"} 3"));
  EXPECT_THAT(text, HasSubstr("hyprstream_memory_bytes{share=\"messages\"} 30"));
}

}  // namespace
}  // namespace hyprstream::server
