// A backend of Arrow tables, for tests of the engine: says what it was asked for, and fails when it is told to.
#pragma once

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "core/backend.h"

namespace hyprstream::engine {

// A batch of columns that are given as JSON lists.
inline std::shared_ptr<arrow::RecordBatch> RowsOf(const arrow::FieldVector& fields,
                                                  const std::vector<std::string>& columns) {
  arrow::ArrayVector arrays;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    arrays.push_back(arrow::json::ArrayFromJSONString(fields[i]->type(), columns[i]).ValueOrDie());
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), arrays.at(0)->length(), arrays);
}

class MemoryBackend : public Backend {
 public:
  using Rows = std::shared_ptr<arrow::RecordBatch>;

  explicit MemoryBackend(std::string name) : name_(std::move(name)) {}

  void Put(const std::string& schema, const std::string& table, Rows rows) {
    const MutexLock lock(mutex_);
    tables_[{schema, table}] = std::move(rows);
  }
  void Drop(const std::string& schema, const std::string& table) {
    const MutexLock lock(mutex_);
    tables_.erase({schema, table});
  }
  // What every call gives from now on.
  void Fail(arrow::Status with) {
    const MutexLock lock(mutex_);
    failure_ = std::move(with);
  }
  // Of scans, after their first batch.
  void FailLater(arrow::Status with) {
    const MutexLock lock(mutex_);
    late_failure_ = std::move(with);
  }
  // It claims to apply all conditions of a scan, and applies none.
  void SayExactly(bool exactly = true) {
    const MutexLock lock(mutex_);
    exactly_ = exactly;
  }
  // What queries over its tables are answered with; NotImplemented before.
  void Answer(std::function<arrow::Result<Rows>(const RemoteRelation&)> answer) {
    const MutexLock lock(mutex_);
    answer_ = std::move(answer);
  }
  // "schemas", "tables s", "table s.t", "scan s.t [columns] filters[, at most n rows]" since the last call.
  std::vector<std::string> TakeAsked() const {
    const MutexLock lock(mutex_);
    return std::exchange(asked_, {});
  }

  const std::string& name() const override { return name_; }

  arrow::Result<std::vector<std::string>> Schemas() const override {
    const MutexLock lock(mutex_);
    asked_.emplace_back("schemas");
    ARROW_RETURN_NOT_OK(failure_);
    std::vector<std::string> schemas;
    for (const auto& [key, _] : tables_) {
      if (schemas.empty() || schemas.back() != key.first) schemas.push_back(key.first);
    }
    return schemas;
  }
  arrow::Result<std::vector<BackendTable>> Tables(const std::string& schema) const override {
    const MutexLock lock(mutex_);
    asked_.push_back("tables " + schema);
    ARROW_RETURN_NOT_OK(failure_);
    std::vector<BackendTable> tables;
    for (const auto& [key, _] : tables_) {
      if (key.first == schema) tables.push_back({.schema = schema, .name = key.second});
    }
    if (tables.empty()) return arrow::Status::KeyError("no schema ", schema);
    return tables;
  }
  arrow::Result<std::shared_ptr<TableSource>> Table(const std::string& schema,
                                                    const std::string& table) const override {
    const MutexLock lock(mutex_);
    asked_.push_back("table " + schema + "." + table);
    ARROW_RETURN_NOT_OK(failure_);
    const auto found = tables_.find({schema, table});
    if (found == tables_.end()) return arrow::Status::KeyError("no table ", schema, ".", table);
    return std::make_shared<Source>(*this, schema + "." + table, found->second);
  }
  arrow::Result<std::shared_ptr<TableSource>> Query(const std::string& statement,
                                                    std::function<bool()>) const override {
    const MutexLock lock(mutex_);
    asked_.push_back("query " + statement);
    ARROW_RETURN_NOT_OK(failure_);
    return std::make_shared<Source>(*this, "query", tables_.begin()->second);
  }

  arrow::Result<RemotePlan> Plan(const RemoteRelation& query) const override {
    const MutexLock lock(mutex_);
    if (!answer_) return Backend::Plan(query);
    ARROW_ASSIGN_OR_RAISE(auto rows, answer_(query));
    return RemotePlan{.rows = std::make_shared<Source>(*this, "answer", std::move(rows)), .statement = "SELECT 'it'"};
  }

 private:
  class Source : public TableSource {
   public:
    Source(const MemoryBackend& backend, std::string name, Rows rows)
        : backend_(backend), name_(std::move(name)), rows_(std::move(rows)), schema_(rows_->schema()) {}
    const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
    std::optional<std::int64_t> EstimatedRows() const override { return rows_->num_rows(); }
    bool FindsExactly(const std::vector<ColumnFilter>& filters) const override {
      const MutexLock lock(backend_.mutex_);
      return backend_.exactly_ || filters.empty();
    }
    arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const ScanRequest& request) const override {
      const MutexLock lock(backend_.mutex_);
      std::string asked = "scan " + name_ + " [";
      for (const int column : request.projection) {
        asked += (asked.ends_with('[') ? "" : ", ") + schema_->field(column)->name();
      }
      asked += "] " + std::to_string(request.filters.size()) + " filters";
      if (request.rows_max) asked += ", at most " + std::to_string(*request.rows_max) + " rows";
      backend_.asked_.push_back(std::move(asked));
      ARROW_RETURN_NOT_OK(backend_.failure_);
      ARROW_ASSIGN_OR_RAISE(auto columns, rows_->SelectColumns(request.projection));
      return std::make_shared<Reader>(std::move(columns), backend_.late_failure_);
    }

   private:
    const MemoryBackend& backend_;
    const std::string name_;
    const Rows rows_;
    const std::shared_ptr<arrow::Schema> schema_;
  };

  // All rows, and then the end or what goes wrong.
  class Reader : public arrow::RecordBatchReader {
   public:
    Reader(Rows rows, arrow::Status end) : rows_(std::move(rows)), schema_(rows_->schema()), end_(std::move(end)) {}
    std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
    arrow::Status ReadNext(Rows* batch) override {
      *batch = std::exchange(rows_, nullptr);
      return *batch == nullptr ? end_ : arrow::Status::OK();
    }

   private:
    Rows rows_;
    const std::shared_ptr<arrow::Schema> schema_;
    const arrow::Status end_;
  };

  const std::string name_;
  mutable Mutex mutex_;
  std::map<std::pair<std::string, std::string>, Rows> tables_ GUARDED_BY(mutex_);
  arrow::Status failure_ GUARDED_BY(mutex_);
  arrow::Status late_failure_ GUARDED_BY(mutex_);
  bool exactly_ GUARDED_BY(mutex_) = false;
  mutable std::vector<std::string> asked_ GUARDED_BY(mutex_);
  std::function<arrow::Result<Rows>(const RemoteRelation&)> answer_ GUARDED_BY(mutex_);
};

}  // namespace hyprstream::engine
