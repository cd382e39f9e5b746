// Backends whose driver has a process of its own, which may end at any time.
#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "backend/backend_registry.h"
#include "core/backend_writer.h"
#include "support/eventually.h"
#include "support/postgres_server.h"
#include "support/status_assertions.h"

namespace hyprstream::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kPassword = "m4rker-of-the-host";

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

// The driver hosts that this process has started and that still run.
std::vector<pid_t> Hosts() {
  std::vector<pid_t> hosts;
  std::istringstream children(ReadAll("/proc/self/task/" + std::to_string(getpid()) + "/children"));
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    std::istringstream of_thread(ReadAll(entry.path() / "children"));
    for (pid_t child = 0; of_thread >> child;) {
      if (ReadAll("/proc/" + std::to_string(child) + "/cmdline").contains("driver-host")) hosts.push_back(child);
    }
  }
  return hosts;
}

// Every thread of it.
bool HasStopped(pid_t process) {
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
    const auto status = ReadAll(thread.path() / "stat");
    if (!status.substr(status.rfind(')')).starts_with(") T")) return false;
  }
  return true;
}

class IsolatedBackend : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { postgres_ = PostgresServer::Start({.password = kPassword}).ValueOrDie().release(); }
  static void TearDownTestSuite() {
    delete postgres_;
    postgres_ = nullptr;
  }

  IsolatedBackend() {
    const char* drivers = std::getenv("HYPRSTREAM_ADBC_DRIVERS");
    registry_ = backend::BackendRegistry::Make(
        {.driver_folder = drivers == nullptr ? "" : drivers, .host_program = HYPRSTREAM_PROGRAM});
    spec_.name = "warehouse";
    spec_.driver = "postgresql";
    spec_.driver_options["uri"] = postgres_->uri();
    spec_.isolate = true;
  }
  ~IsolatedBackend() override {
    registry_.reset();
    EXPECT_TRUE(Eventually([] { return Hosts().empty(); })) << "a host is left";
  }

  static ScanRequest WholeOf(const TableSource& source) {
    ScanRequest request;
    for (int i = 0; i < source.schema()->num_fields(); ++i) request.projection.push_back(i);
    return request;
  }
  static arrow::Result<std::shared_ptr<arrow::Table>> Read(const Backend& backend, const std::string& sql,
                                                           std::function<bool()> cancelled = {}) {
    ARROW_ASSIGN_OR_RAISE(const auto source, backend.Query(sql, {}));
    auto request = WholeOf(*source);
    request.cancelled = std::move(cancelled);
    ARROW_ASSIGN_OR_RAISE(const auto reader, source->Scan(request));
    return reader->ToTable();
  }
  // The one value.
  static std::string Value(const Backend& backend, const std::string& sql) {
    const auto rows = Read(backend, sql);
    return rows.ok() ? (*rows)->column(0)->GetScalar(0).ValueOrDie()->ToString() : rows.status().ToString();
  }

  inline static PostgresServer* postgres_ = nullptr;
  backend::BackendSpec spec_;
  std::unique_ptr<backend::BackendRegistry> registry_;
};

// Takes connections and says nothing.
class SilentServer {
 public:
  SilentServer() : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(descriptor_, raw, length) | listen(descriptor_, 16) | getsockname(descriptor_, raw, &length), 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentServer() { close(descriptor_); }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;

  int port() const { return port_; }

 private:
  const int descriptor_;
  int port_ = 0;
};

constexpr const char* kManyRows = "SELECT i, repeat('x', 100) AS s FROM generate_series(1, 1000000) AS g(i)";

TEST_F(IsolatedBackend, ReadsWhatADriverInTheServerReads) {
  ASSERT_OK(
      postgres_->Run("CREATE TABLE IF NOT EXISTS t (i int NOT NULL, d numeric(9,2), u uuid, a text[]); "
                     "INSERT INTO t VALUES (1, 10.50, '00000000-0000-0000-0000-000000000001', '{a,NULL}'), "
                     "(2, NULL, NULL, NULL)"));
  ASSERT_OK_AND_ASSIGN(const auto isolated, registry_->Attach(spec_));
  EXPECT_EQ(Hosts().size(), 1);
  spec_.name = "here";
  spec_.isolate = false;
  ASSERT_OK_AND_ASSIGN(const auto here, registry_->Attach(spec_));
  EXPECT_EQ(Hosts().size(), 1);
  const auto whole = [](const Backend& backend) {
    const auto source = backend.Table("public", "t").ValueOrDie();
    return source->Scan(WholeOf(*source)).ValueOrDie()->ToTable().ValueOrDie();
  };
  EXPECT_TRUE(whole(*isolated)->Equals(*whole(*here)));
  EXPECT_EQ(registry_->Backends()[1].driver_version, registry_->Backends()[0].driver_version);
  ASSERT_OK_AND_ASSIGN(const auto many, Read(*isolated, kManyRows));
  EXPECT_EQ(many->num_rows(), 1'000'000);
}

TEST_F(IsolatedBackend, ErrorsKeepTheirWordsAndStates) {
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  EXPECT_THAT(Read(*backend, "SELECT nothing").status().message(),
              AllOf(HasSubstr("column \"nothing\" does not exist"), HasSubstr("42703")));
  const auto late = Read(*backend, "SELECT 1 / (500000 - i) AS v FROM generate_series(1, 1000000) g(i)").status();
  EXPECT_THAT(late.message(), AllOf(HasSubstr("division by zero"), HasSubstr("22012")));
  EXPECT_EQ(Value(*backend, "SELECT 7 AS v"), "7");
}

TEST_F(IsolatedBackend, SecretsAreInNoArgumentAndNoEnvironment) {
  setenv("HYPRSTREAM_USERS", kPassword, 1);
  ASSERT_OK(registry_->Attach(spec_));
  unsetenv("HYPRSTREAM_USERS");
  ASSERT_EQ(Hosts().size(), 1);
  const auto folder = std::filesystem::path("/proc") / std::to_string(Hosts()[0]);
  EXPECT_THAT(ReadAll(folder / "cmdline"), AllOf(HasSubstr("driver-host"), Not(HasSubstr(kPassword))));
  EXPECT_THAT(ReadAll(folder / "environ"), Not(HasSubstr(kPassword)));
  int descriptors = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder / "fd")) ++descriptors;
  EXPECT_LE(descriptors, 8) << "it has descriptors of the server";
  spec_.name = "wrong";
  spec_.driver_options["password"] = std::string(kPassword) + "-wrong";
  EXPECT_THAT(registry_->Attach(spec_).status().message(),
              AllOf(HasSubstr("password authentication failed"), Not(HasSubstr(kPassword))));
}

TEST_F(IsolatedBackend, AProcessThatDiesInMidStreamIsAnErrorAndTheNextQueryWorks) {
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const auto source, backend->Query(kManyRows, {}));
    ASSERT_OK_AND_ASSIGN(const auto reader, source->Scan(WholeOf(*source)));
    ASSERT_OK(reader->Next());
    const auto hosts = Hosts();
    ASSERT_EQ(hosts.size(), 1);
    kill(hosts[0], i == 0 ? SIGSEGV : SIGKILL);
    const auto status = reader->ToTable().status();
    EXPECT_TRUE(status.IsIOError()) << status;
    EXPECT_THAT(status.message(), HasSubstr("warehouse: The process of the driver has ended"));
    EXPECT_EQ(Value(*backend, "SELECT 7 AS v"), "7");
    EXPECT_NE(Hosts(), hosts);
  }
  EXPECT_EQ(registry_->Backends()[0].pool_in_use, 0);
}

TEST_F(IsolatedBackend, AProcessThatDiesWhileItIsIdleIsNotNoticed) {
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK(backend->Schemas());
  kill(Hosts().at(0), SIGKILL);
  EXPECT_OK(backend->Tables("public"));
}

TEST_F(IsolatedBackend, StopsForWhoIsGone) {
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  std::atomic<bool> asked = false;
  const auto status = Read(*backend, "SELECT pg_sleep(60)::text AS v", [&] { return asked.exchange(true); }).status();
  EXPECT_TRUE(status.IsCancelled()) << status;
  EXPECT_EQ(Value(*backend, "SELECT 7 AS v"), "7");
}

TEST_F(IsolatedBackend, AProcessThatHangsIsCutOff) {
  spec_.statement_timeout = std::chrono::milliseconds(3'000);
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Query(kManyRows, {}));
  ASSERT_OK_AND_ASSIGN(const auto reader, source->Scan(WholeOf(*source)));
  ASSERT_OK(reader->Next());
  const auto host = Hosts().at(0);
  kill(host, SIGSTOP);
  const auto status = reader->ToTable().status();
  EXPECT_TRUE(status.IsIOError()) << status;
  EXPECT_THAT(status.message(), HasSubstr("had not answered within its statement_timeout of 3000 ms"));
  kill(host, SIGCONT);
  EXPECT_EQ(Value(*backend, "SELECT 7 AS v"), "7");
}

TEST_F(IsolatedBackend, ADriverThatHangsWhileItOpensIsEndedWithItsProcess) {
  const SilentServer silent;
  spec_.connect_timeout = std::chrono::milliseconds(300);
  spec_.driver_options["uri"] = "postgresql://u:" + std::string(kPassword) +
                                "@127.0.0.1:" + std::to_string(silent.port()) + "/d?connect_timeout=60";
  const auto began = std::chrono::steady_clock::now();
  const auto status = registry_->Attach(spec_).status();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20));
  EXPECT_TRUE(status.IsIOError()) << status;
  EXPECT_THAT(status.message(), AllOf(HasSubstr("had not opened its database within its connect_timeout of 300 ms"),
                                      Not(HasSubstr(kPassword))));
  EXPECT_TRUE(Eventually([] { return Hosts().empty(); }));
}

TEST_F(IsolatedBackend, AProcessThatHangsWhileAStatementIsPreparedIsReplaced) {
  spec_.connect_timeout = std::chrono::milliseconds(1'000);
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec_));
  const auto host = Hosts().at(0);
  kill(host, SIGSTOP);
  ASSERT_TRUE(Eventually([&] { return HasStopped(host); }));
  EXPECT_EQ(backend->Tables("public").status(), arrow::Status::OK());
  EXPECT_TRUE(Eventually([&] { return !std::ranges::contains(Hosts(), host); }));
}

TEST_F(IsolatedBackend, EndsWithItsBackend) {
  ASSERT_OK(registry_->Attach(spec_));
  ASSERT_OK(registry_->Detach("warehouse"));
  EXPECT_TRUE(Eventually([] { return Hosts().empty(); }));
}

// ---- changing tables; what they have in common with a driver in the server is in writing_test.cc

// As many rows as are asked for; `between` is called before the fourth batch.
class Endless : public arrow::RecordBatchReader {
 public:
  explicit Endless(std::function<void()> between) : between_(std::move(between)) {}
  std::shared_ptr<arrow::Schema> schema() const override { return batch_->schema(); }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    if (++count_ == 4) between_();
    *batch = batch_;
    return arrow::Status::OK();
  }

  int count() const { return count_; }

 private:
  const std::shared_ptr<arrow::RecordBatch> batch_ =
      arrow::RecordBatch::Make(arrow::schema({arrow::field("v", arrow::int32())}), 1'000,
                               {arrow::MakeArrayFromScalar(arrow::Int32Scalar(7), 1'000).ValueOrDie()});
  const std::function<void()> between_;
  int count_ = 0;
};

std::shared_ptr<arrow::RecordBatchReader> OneRow() {
  auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("v", arrow::int32())}), 1,
                                        {arrow::MakeArrayFromScalar(arrow::Int32Scalar(7), 1).ValueOrDie()});
  return arrow::RecordBatchReader::Make({batch}, batch->schema()).ValueOrDie();
}

class IsolatedWriting : public IsolatedBackend {
 protected:
  void SetUp() override { ASSERT_OK(postgres_->Run("DROP TABLE IF EXISTS w; CREATE TABLE w (v int)")); }
  std::shared_ptr<Backend> Attach() { return registry_->Attach(spec_).ValueOrDie(); }
  static std::string Count() { return postgres_->Run("SELECT count(*) FROM w").ValueOrDie(); }
  // Nothing is left of what was not committed, no session at the database either, and writing goes on.
  static void CheckNothingIsLeft(const Backend& backend) {
    EXPECT_EQ(Count(), "0");
    EXPECT_TRUE(Eventually([] {
      return postgres_->Run("SELECT count(*) FROM pg_locks WHERE relation = 'w'::regclass").ValueOrDie() == "0";
    })) << "a transaction is left at the database";
    ASSERT_OK_AND_ASSIGN(const auto writer, backend.BeginWriting({}));
    ASSERT_OK(writer->Append(kTable, *OneRow()));
    ASSERT_OK(writer->Commit());
    EXPECT_EQ(Count(), "1");
  }

  inline static const TableRef kTable{.schema = "public", .name = "w"};
};

TEST_F(IsolatedWriting, AProcessThatDiesInAnIngestLeavesNothing) {
  const auto backend = Attach();
  {
    ASSERT_OK_AND_ASSIGN(const auto writer, backend->BeginWriting({}));
    Endless rows([] { kill(Hosts().at(0), SIGKILL); });
    const auto status = writer->Append(kTable, rows).status();
    EXPECT_TRUE(status.IsIOError()) << status;
    EXPECT_THAT(status.message(), HasSubstr("warehouse: The process of the driver has ended"));
    EXPECT_THAT(writer->Commit().message(), HasSubstr("the transaction has ended there by an error before"));
  }
  CheckNothingIsLeft(*backend);
}

TEST_F(IsolatedWriting, AProcessThatDiesInATransactionLeavesNothing) {
  const auto backend = Attach();
  {
    ASSERT_OK_AND_ASSIGN(const auto writer, backend->BeginWriting({}));
    ASSERT_OK(writer->Append(kTable, *OneRow()));
    kill(Hosts().at(0), SIGSEGV);
    ASSERT_TRUE(Eventually([] { return Hosts().empty(); }));
    const auto status = writer->Commit();
    EXPECT_TRUE(status.IsIOError()) << status;
    EXPECT_THAT(status.message(), HasSubstr("ended before COMMIT was sent; nothing of the transaction was kept"));
  }
  CheckNothingIsLeft(*backend);
}

TEST_F(IsolatedWriting, AnIngestWaitsForItsProcessWhichIsCutOffWhenItHangs) {
  spec_.statement_timeout = std::chrono::milliseconds(3'000);
  const auto backend = Attach();
  pid_t host = 0;
  {
    ASSERT_OK_AND_ASSIGN(const auto writer, backend->BeginWriting({}));
    Endless rows([&] {
      host = Hosts().at(0);
      kill(host, SIGSTOP);
      ASSERT_TRUE(Eventually([&] { return HasStopped(host); }));
    });
    const auto began = std::chrono::steady_clock::now();
    const auto status = writer->Append(kTable, rows).status();
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20));
    EXPECT_TRUE(status.IsIOError()) << status;
    EXPECT_THAT(status.message(), HasSubstr("had not answered within its statement_timeout of 3000 ms"));
    EXPECT_EQ(rows.count(), 4) << "nobody had asked for more";
  }
  kill(host, SIGCONT);
  CheckNothingIsLeft(*backend);
}

TEST_F(IsolatedWriting, AnErrorOfTheSourceEndsTheIngest) {
  class Failing final : public Endless {
   public:
    Failing() : Endless([] {}) {}
    arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
      if (count() == 3) return arrow::Status::Invalid("the client's stream broke");
      return Endless::ReadNext(batch);
    }
  } rows;
  const auto backend = Attach();
  const auto host = Hosts();
  {
    ASSERT_OK_AND_ASSIGN(const auto writer, backend->BeginWriting({}));
    EXPECT_EQ(writer->Append(kTable, rows).status().message(), "the client's stream broke");
    EXPECT_FALSE(writer->Commit().ok());
  }
  CheckNothingIsLeft(*backend);
  EXPECT_EQ(Hosts(), host);
}

// Whether the process dies or hangs while the database carries COMMIT out: nobody knows how it ended.
TEST_F(IsolatedWriting, ACommitWithoutAnAnswerSaysThatItsOutcomeIsUnknown) {
  ASSERT_OK(
      postgres_->Run("CREATE OR REPLACE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS "
                     "$$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$; "
                     "CREATE CONSTRAINT TRIGGER lingers AFTER INSERT ON w DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
                     "EXECUTE FUNCTION linger()"));
  const auto lingers = [] {
    return postgres_->Run("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").ValueOrDie() == "1";
  };
  spec_.statement_timeout = std::chrono::milliseconds(5'000);
  const auto backend = Attach();
  for (const int signal : {SIGKILL, SIGSTOP}) {
    ASSERT_OK_AND_ASSIGN(const auto writer, backend->BeginWriting({}));
    ASSERT_OK(writer->Append(kTable, *OneRow()));
    const auto host = Hosts().at(0);
    std::thread hand([&] {
      EXPECT_TRUE(Eventually(lingers));
      kill(host, signal);
    });
    const auto status = writer->Commit();
    hand.join();
    EXPECT_TRUE(status.IsIOError()) << status;
    EXPECT_THAT(status.message(), HasSubstr("it is not known whether it was carried out"));
    kill(host, SIGCONT);
    ASSERT_OK(postgres_->Run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"));
    ASSERT_TRUE(Eventually([&] { return !lingers(); }));
  }
  ASSERT_OK(postgres_->Run("DROP TRIGGER lingers ON w"));
  CheckNothingIsLeft(*backend);
}

}  // namespace
}  // namespace hyprstream::testing
