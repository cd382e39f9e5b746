// ATTACH and DETACH as a session runs them, and what it says of statements that read a backend.
#include <gmock/gmock.h>

#include <atomic>
#include <functional>
#include <map>

#include "backend/backend_report.h"
#include "engine/backend_test_support.h"
#include "session/backend_attachments.h"
#include "session/session_test_support.h"

namespace hyprstream::session {

namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// One table, `public.customers`, which may become another.
class OneTable : public Backend {
 public:
  explicit OneTable(std::string name) : name_(std::move(name)) {}
  std::shared_ptr<arrow::RecordBatch> rows = engine::RowsOf({arrow::field("id", arrow::int64())}, {"[1, 2, 3]"});

  const std::string& name() const override { return name_; }
  mutable std::atomic<int> schemas_asked = 0;  // as each planning does
  mutable std::atomic<int> forgotten = 0;
  void ForgetCatalog() const override { ++forgotten; }
  arrow::Result<std::vector<std::string>> Schemas() const override {
    ++schemas_asked;
    return std::vector<std::string>{"public"};
  }
  arrow::Result<std::vector<BackendTable>> Tables(const std::string& schema) const override {
    return std::vector<BackendTable>{{.schema = schema, .name = "customers"}};
  }
  arrow::Result<std::shared_ptr<TableSource>> Table(const std::string&, const std::string& table) const override {
    if (table != "customers") return arrow::Status::KeyError("no table ", table);
    return std::make_shared<Source>(rows);
  }
  arrow::Result<std::shared_ptr<TableSource>> Query(const std::string&, std::function<bool()>) const override {
    return std::make_shared<Source>(rows);
  }

 private:
  class Source : public TableSource {
   public:
    explicit Source(std::shared_ptr<arrow::RecordBatch> rows) : rows_(std::move(rows)), schema_(rows_->schema()) {}
    const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
    arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const ScanRequest& request) const override {
      ARROW_ASSIGN_OR_RAISE(auto columns, rows_->SelectColumns(request.projection));
      return arrow::RecordBatchReader::Make({columns}, columns->schema());
    }

   private:
    const std::shared_ptr<arrow::RecordBatch> rows_;
    const std::shared_ptr<arrow::Schema> schema_;
  };
  const std::string name_;
};

// Reaches whatever it is asked for, but what is called `down`.
class Registry : public backend::BackendRegistry {
 public:
  arrow::Result<std::shared_ptr<Backend>> Attach(const backend::BackendSpec& spec) override {
    specs.push_back(spec);
    if (spec.name == "down") return arrow::Status::IOError("down cannot be reached");
    if (backends.contains(spec.name)) return arrow::Status::AlreadyExists("Backend ", spec.name, " exists already");
    return backends[spec.name] = std::make_shared<OneTable>(spec.name);
  }
  arrow::Status Detach(const std::string& name) override {
    return backends.erase(name) > 0 ? arrow::Status::OK() : arrow::Status::KeyError("no backend ", name);
  }
  std::shared_ptr<Backend> Find(const std::string& name) const override {
    const auto found = backends.find(name);
    return found == backends.end() ? nullptr : found->second;
  }
  std::vector<backend::BackendInfo> Backends() const override { return {}; }
  arrow::Result<backend::BackendReport> Inspect(const std::string& name, std::size_t) const override {
    return arrow::Status::KeyError("no backend ", name);
  }

  std::vector<backend::BackendSpec> specs;
  std::map<std::string, std::shared_ptr<OneTable>> backends;
};

class SessionBackendsTest : public SessionTest {
 protected:
  void SetUp() override { OpenWith(false); }

  void OpenWith(bool by_everyone) {
    Open("");
    attachments_ = std::make_unique<BackendAttachments>(reached_, *engine_, by_everyone);
    registry_ = SessionRegistry::Make(*engine_, *commits_, {}, attachments_.get()).ValueOrDie();
    registry_->Connected("test");
    session_ = NewSession("main");
    admin_ =
        registry_
            ->Open({.kind = SessionKey::Kind::kConnection, .value = "admin"}, {.user = "ann", .admin = true}, "test")
            .ValueOrDie();
  }
  void TearDown() override {
    admin_.reset();
    session_.reset();
    registry_.reset();
  }

  std::string AsAdmin(const std::string& sql) { return SessionTest::Rows(sql, admin_.get()); }
  std::string AsClient(const std::string& sql) { return SessionTest::Rows(sql); }
  Started StartedOf(const std::string& sql) { return session_->Start(context_, sql, {}).ValueOrDie(); }

  Registry reached_;
  std::unique_ptr<BackendAttachments> attachments_;
  std::shared_ptr<Session> admin_;
};

constexpr const char* kAttach = "ATTACH 'pg://u:hunter2@h/d' AS warehouse (TYPE adbc, DRIVER 'postgresql')";

TEST_F(SessionBackendsTest, AttachIsTheOperatorsRight) {
  EXPECT_THAT(AsClient(kAttach), AllOf(HasSubstr("admin = true"), Not(HasSubstr("hunter2"))));
  EXPECT_EQ(reached_.specs.size(), 0U);
  EXPECT_EQ(AsAdmin(kAttach), "");
  ASSERT_EQ(reached_.specs.size(), 1U);
  EXPECT_EQ(reached_.specs[0].driver, "postgresql");
  EXPECT_EQ(reached_.specs[0].driver_options.at("uri"), "pg://u:hunter2@h/d");
  EXPECT_FALSE(reached_.specs[0].may_be_down);
  EXPECT_EQ(AsClient("SELECT sum(id)::BIGINT FROM warehouse.public.customers"), "6\n");
  EXPECT_THAT(AsAdmin(kAttach), HasSubstr("exists already"));
  EXPECT_EQ(AsAdmin("ATTACH IF NOT EXISTS 'x' AS warehouse (TYPE adbc, DRIVER 'postgresql')"), "");
  EXPECT_THAT(AsClient("DETACH warehouse"), HasSubstr("admin = true"));
  EXPECT_EQ(AsAdmin("DETACH warehouse"), "");
  EXPECT_THAT(AsClient("SELECT * FROM warehouse.public.customers"), HasSubstr("warehouse"));
  EXPECT_THAT(AsAdmin("DETACH warehouse"), HasSubstr("Unknown backend: warehouse"));
  EXPECT_EQ(AsAdmin("DETACH IF EXISTS warehouse"), "");
}

TEST_F(SessionBackendsTest, EverybodyMayRefresh) {
  EXPECT_THAT(AsClient("REFRESH BACKEND warehouse"), HasSubstr("Unknown backend: warehouse"));
  EXPECT_EQ(AsAdmin(kAttach), "");
  EXPECT_EQ(AsClient("REFRESH BACKEND Warehouse"), "");
  EXPECT_EQ(reached_.backends.at("warehouse")->forgotten, 1);
  EXPECT_EQ(AsClient("BEGIN"), "");
  EXPECT_THAT(AsClient("REFRESH BACKEND warehouse"), HasSubstr("not part of a transaction"));
  EXPECT_EQ(AsClient("ROLLBACK"), "");
  EXPECT_EQ(reached_.backends.at("warehouse")->forgotten, 1);
  EXPECT_THAT(AsClient("EXPLAIN REFRESH BACKEND warehouse"), HasSubstr("syntax error"));
}

TEST_F(SessionBackendsTest, StandBeforeAllOtherStatementsOfAScript) {
  const auto update = [&](const std::string& sql) { return admin_->Update(context_, sql, {}).status().message(); };
  EXPECT_THAT(update("CREATE TABLE half (i INT); DETACH nothing"), HasSubstr("before all other statements"));
  EXPECT_THAT(AsAdmin("SELECT count(*)::INT FROM duckdb_tables() WHERE table_name = 'half'"), "0\n");
  EXPECT_EQ(update(std::string(kAttach) + "; ATTACH 'x' AS other (TYPE adbc, DRIVER 'postgresql')"), "");
  EXPECT_EQ(update("DETACH warehouse; DETACH other"), "");
  EXPECT_THAT(update(std::string(kAttach) + "; CREATE TABLE half (i INT); CREATE TABLE half (i INT)"),
              AllOf(HasSubstr("Statement 3 of 3"), HasSubstr("only ATTACH and DETACH took effect")));
  EXPECT_THAT(AsAdmin("SELECT count(*)::INT FROM duckdb_tables() WHERE table_name = 'half'"), "0\n");
}

TEST_F(SessionBackendsTest, OrEverybodysButForDriversByTheirPath) {
  OpenWith(true);
  EXPECT_EQ(AsClient(kAttach), "");
  EXPECT_THAT(AsClient("ATTACH 'x' AS other (TYPE adbc, DRIVER '/tmp/evil.so')"), HasSubstr("admin = true"));
  EXPECT_THAT(AsClient("ATTACH 'file:x.db' AS other (TYPE adbc, DRIVER 'sqlite')"), HasSubstr("opens files"));
  EXPECT_EQ(reached_.specs.size(), 1U);
  EXPECT_EQ(AsClient("DETACH warehouse"), "");
}

TEST_F(SessionBackendsTest, WhatCannotBeAttachedLeavesNothing) {
  EXPECT_THAT(AsAdmin("ATTACH 'x' AS down (TYPE adbc, DRIVER 'postgresql')"), HasSubstr("cannot be reached"));
  EXPECT_THAT(AsAdmin("ATTACH 'x' AS w (TYPE adbc)"), HasSubstr("needs a driver"));
  EXPECT_THAT(AsAdmin("ATTACH 'x' AS w (TYPE adbc, DRIVER 'postgresql', POOLMAX 3)"), HasSubstr("poolmax"));
  EXPECT_EQ(AsAdmin("CREATE SCHEMA sales"), "");
  EXPECT_THAT(AsAdmin("ATTACH 'x' AS sales (TYPE adbc, DRIVER 'postgresql')"), HasSubstr("schema sales"));
  EXPECT_TRUE(reached_.backends.empty());
  EXPECT_THAT(AsAdmin("ATTACH 'x.db' AS y"), HasSubstr("TYPE adbc"));
}

TEST_F(SessionBackendsTest, NoLogKeepsTheText) {
  AsAdmin(kAttach);
  AsClient(kAttach);
  AsAdmin("ATTACH 'pg://u:hunter2@h/d' AS x");
  AsAdmin("ATTACH 'pg://u:hunter2@h/d' AS down (TYPE adbc, DRIVER 'postgresql', PASSWORD 'hunter2')");
  bool logged = false;
  for (const auto& query : registry_->Queries()) {
    EXPECT_THAT(query.text + query.error, Not(HasSubstr("hunter2")));
    logged |= query.text.find("ATTACH") != std::string::npos;
  }
  EXPECT_TRUE(logged);
}

TEST_F(SessionBackendsTest, IsNoPartOfATransaction) {
  EXPECT_EQ(AsAdmin("BEGIN"), "");
  EXPECT_THAT(AsAdmin(kAttach), HasSubstr("not part of a transaction"));
  EXPECT_EQ(AsAdmin("ROLLBACK"), "");
  const auto ran =
      admin_->Update(context_, std::string(kAttach) + "; CREATE TABLE t AS FROM warehouse.public.customers", {});
  EXPECT_TRUE(ran.ok()) << ran.status();
  EXPECT_EQ(AsClient("SELECT count(*) FROM t"), "3\n");
}

TEST_F(SessionBackendsTest, RoutesSayWhichTablesWereScannedWhere) {
  ASSERT_EQ(AsAdmin(kAttach), "");
  Update("CREATE TABLE orders AS SELECT 1 AS customer, 5 AS amount");
  auto started = StartedOf("SELECT * FROM warehouse.public.customers");
  EXPECT_EQ(started.route, "backend");
  EXPECT_EQ(started.reason, "scans at warehouse: public.customers");
  started = StartedOf("SELECT * FROM orders JOIN warehouse.public.customers ON customer = id");
  EXPECT_EQ(started.route, "federated");
  EXPECT_EQ(started.reason, "scans at warehouse: public.customers; here: orders");
  EXPECT_EQ(StartedOf("SELECT * FROM orders").route, "local");
  EXPECT_EQ(StartedOf("SELECT * FROM backend_query('warehouse', 'x')").route, "backend");
  EXPECT_THAT(AsClient("EXPLAIN SELECT * FROM warehouse.public.customers"), HasSubstr("backend (scans at warehouse"));
  Update("CREATE MATERIALIZED VIEW sums AS SELECT customer, sum(amount) AS amount FROM orders GROUP BY ALL");
  started = StartedOf("SELECT * FROM sums JOIN warehouse.public.customers ON customer = id");
  EXPECT_EQ(started.route, "federated");
  EXPECT_THAT(started.reason, HasSubstr("materialized view sums"));
  EXPECT_EQ(AsClient("SELECT id, amount::BIGINT FROM sums JOIN warehouse.public.customers ON customer = id"), "1|5\n");
}

TEST_F(SessionBackendsTest, ChangedTablesAreReadAsTheyAre) {
  ASSERT_EQ(AsAdmin(kAttach), "");
  const std::string sql = "SELECT * FROM warehouse.public.customers ORDER BY 1";
  EXPECT_EQ(AsClient(sql), "1\n2\n3\n");
  const auto prepared = session_->Prepare(context_, sql, {}).ValueOrDie();
  reached_.backends["warehouse"]->rows =
      engine::RowsOf({arrow::field("id", arrow::int64()), arrow::field("name", arrow::utf8())}, {"[7]", R"(["ann"])"});
  EXPECT_EQ(AsClient(sql), "7|ann\n");
  EXPECT_EQ(session_->DescribePrepared(context_, prepared.handle).ValueOrDie().dataset_schema->num_fields(), 2);
  const auto started = session_->StartPrepared(context_, prepared.handle).ValueOrDie();
  EXPECT_EQ(started.schema->num_fields(), 2);
  EXPECT_EQ(session_->Fetch(context_, started.ticket).ValueOrDie()->ToTable().ValueOrDie()->num_rows(), 1);
  ASSERT_EQ(AsAdmin("DETACH warehouse"), "");
  EXPECT_THAT(AsClient(sql), StartsWith("ERROR"));
  EXPECT_FALSE(session_->StartPrepared(context_, prepared.handle).ok());
}

TEST_F(SessionBackendsTest, EachRunIsPlannedOnce) {
  ASSERT_EQ(AsAdmin(kAttach), "");
  const auto& asked = reached_.backends["warehouse"]->schemas_asked;
  const auto asked_by = [&](const std::function<void()>& run) {
    const int before = asked;
    run();
    return asked - before;
  };
  const std::string sql = "SELECT * FROM warehouse.public.customers WHERE id > ?";
  Handle prepared;
  const int once = asked_by([&] { prepared = session_->Prepare(context_, sql, {}).ValueOrDie().handle; });
  ASSERT_GT(once, 0);
  const auto run_prepared = [&] {
    ASSERT_TRUE(session_->Bind(prepared, {engine::RowsOf({arrow::field("1", arrow::int64())}, {"[1]"})}).ok());
    const auto started = session_->StartPrepared(context_, prepared).ValueOrDie();
    EXPECT_EQ(session_->Fetch(context_, started.ticket).ValueOrDie()->ToTable().ValueOrDie()->num_rows(), 2);
  };
  run_prepared();
  EXPECT_EQ(asked_by(run_prepared), once);
  const auto run_text = [&] { EXPECT_EQ(AsClient("SELECT id FROM warehouse.public.customers WHERE id > 2"), "3\n"); };
  run_text();
  EXPECT_EQ(asked_by(run_text), once);
  // What is passed on untouched is asked for its columns each time.
  const auto passed_on = [&] { EXPECT_EQ(AsClient("FROM backend_query('warehouse', 'x')"), "1\n2\n3\n"); };
  passed_on();
  reached_.backends["warehouse"]->rows = engine::RowsOf({arrow::field("name", arrow::utf8())}, {R"(["ann"])"});
  EXPECT_EQ(AsClient("FROM backend_query('warehouse', 'x')"), "ann\n");
}

TEST_F(SessionBackendsTest, TransactionsReadBackendsAndWriteHere) {
  ASSERT_EQ(AsAdmin(kAttach), "");
  Update("CREATE TABLE copy (id BIGINT)");
  Update("CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM copy");
  Update("INSERT INTO copy SELECT id FROM warehouse.public.customers");
  EXPECT_EQ(AsClient("SELECT n FROM n"), "3\n");
  AsClient("BEGIN");
  Update("INSERT INTO copy SELECT id FROM warehouse.public.customers WHERE id > 1");
  EXPECT_EQ(AsClient("SELECT count(*) FROM copy JOIN warehouse.public.customers USING (id)"), "5\n");
  AsClient("ROLLBACK");
  EXPECT_EQ(AsClient("SELECT count(*) FROM copy"), "3\n");
  EXPECT_THAT(AsClient("INSERT INTO warehouse.public.customers VALUES (1)"), HasSubstr("can only be read"));
  EXPECT_THAT(AsClient("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM warehouse.public.customers"),
              HasSubstr("is a table of backend warehouse"));
}

}  // namespace

}  // namespace hyprstream::session
