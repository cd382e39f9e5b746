#include "backend/adbc_backend.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <utility>

#include "backend/backend_scan.h"
#include "backend/backend_transaction.h"
#include "backend/first_rows.h"
#include "backend/layout_cache.h"
#include "backend/redis_writing.h"
#include "backend/remote_statement.h"
#include "backend/select_statement.h"
#include "backend/snowflake_writing.h"

namespace hyprstream::backend {
namespace {

void CollectTables(const RemoteRelation& query, std::vector<std::shared_ptr<const TableSource>>& tables) {
  if (query.table != nullptr) tables.push_back(query.table);
  for (const auto& input : query.inputs) CollectTables(input, tables);
}

class AdbcBackend final : public Backend {
 public:
  explicit AdbcBackend(std::shared_ptr<BackendCore> core)
      : core_(std::move(core)), cache_(std::make_shared<LayoutCache>(core_)) {}

  const std::string& name() const override { return core_->name(); }
  arrow::Result<std::vector<std::string>> Schemas() const override { return cache_->Schemas(); }
  arrow::Result<std::vector<BackendTable>> Tables(const std::string& schema) const override {
    return cache_->Tables(schema);
  }

  arrow::Result<std::shared_ptr<TableSource>> Table(const std::string& schema,
                                                    const std::string& table) const override {
    ARROW_ASSIGN_OR_RAISE(auto layout, cache_->Layout(schema, table));
    return ScanOfTable(core_, cache_, schema, table, std::move(layout));
  }

  arrow::Result<std::shared_ptr<const std::vector<BackendKey>>> Keys() const override { return cache_->Keys(); }
  void ForgetCatalog() const override { cache_->ForgetAll(); }

  arrow::Result<std::shared_ptr<TableSource>> Query(const std::string& statement,
                                                    std::function<bool()> cancelled) const override {
    ARROW_RETURN_NOT_OK(WithName(core_->dialect().CheckPassedOn(statement)));
    if (!core_->dialect().PassedOnQuery(statement).empty()) return QueryAsTable(statement);
    ARROW_ASSIGN_OR_RAISE(const auto schema, core_->SchemaOf(statement, std::move(cancelled)));
    if (schema->num_fields() == 0) {
      return arrow::Status::Invalid(core_->name(), ": the statement gives no rows; only what does can be read");
    }
    auto layout = core_->dialect().LayoutOfStatement(*schema);
    if (!layout.ok()) return WithName(layout.status());
    return ScanOfStatement(core_, statement, std::move(layout).ValueUnsafe());
  }

  arrow::Result<RemotePlan> Plan(const RemoteRelation& query) const override {
    const auto& dialect = core_->dialect();
    if (dialect.queries() == nullptr && !dialect.gives_first_rows()) return Backend::Plan(query);
    const auto layout_of = [this](const TableSource& table) { return LayoutOfScan(*core_, table); };
    ARROW_ASSIGN_OR_RAISE(auto layout, dialect.queries() != nullptr
                                           ? LayoutOfQuery(*dialect.queries(), query, layout_of)
                                           : LayoutOfFirstRows(dialect, query, layout_of));
    ScanRequest all;
    for (int i = 0; i < layout.schema->num_fields(); ++i) all.projection.push_back(i);
    auto statement = SelectStatement(core_->dialect(), layout, all);
    std::vector<std::shared_ptr<const TableSource>> tables;
    CollectTables(query, tables);
    return RemotePlan{.rows = ScanOfQuery(core_, cache_, std::move(tables), std::move(layout)),
                      .statement = std::move(statement)};
  }

  arrow::Result<std::unique_ptr<BackendWriter>> BeginWriting(std::function<bool()> cancelled) const override {
    const auto& dialect = core_->dialect();
    if (dialect.writes_by_key()) return BeginRedisTransaction(core_, cache_, std::move(cancelled));
    if (dialect.writes_by_values()) return BeginSnowflakeTransaction(core_, cache_, std::move(cancelled));
    if (dialect.writing() == nullptr) return Backend::BeginWriting(std::move(cancelled));
    return BeginTransaction(core_, cache_, std::move(cancelled));
  }

 private:
  arrow::Result<std::shared_ptr<TableSource>> QueryAsTable(const std::string& statement) const {
    const auto& dialect = core_->dialect();
    ARROW_ASSIGN_OR_RAISE(const auto check, core_->ReadTexts(dialect.PassedOnQuery(statement)));
    if (check.size() != 1 || check[0].at(0)) {
      return arrow::Status::Invalid(core_->name(), ": ",
                                    check.empty() ? "the statement was not looked at" : *check[0].at(0));
    }
    ARROW_ASSIGN_OR_RAISE(const auto columns,
                          core_->ReadTexts(dialect.PassedOnColumnsQuery(statement), BackendCore::Author::kClient));
    auto layout = dialect.LayoutOfPassedOn(statement, columns);
    if (!layout.ok()) return WithName(layout.status());
    ARROW_RETURN_NOT_OK(cache_->AskTypes(*layout));
    return ScanOfStatement(core_, statement, std::move(layout).ValueUnsafe());
  }

  arrow::Status WithName(const arrow::Status& status) const {
    return status.ok() ? status : status.WithMessage(core_->name(), ": ", status.message());
  }

  const std::shared_ptr<BackendCore> core_;
  const std::shared_ptr<LayoutCache> cache_;
};

}  // namespace

std::shared_ptr<Backend> MakeAdbcBackend(std::shared_ptr<BackendCore> core) {
  return std::make_shared<AdbcBackend>(std::move(core));
}

}  // namespace hyprstream::backend
