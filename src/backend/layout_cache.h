// The catalog of one backend, as far as it was asked for, each answer kept for a while.
//
// What was remembered and what was found missing are different: the latter is asked anew each time.
// Thread safety: all methods, from any thread; no lock is held while the database is asked.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend_core.h"
#include "backend/table_layout.h"
#include "core/backend.h"

namespace hyprstream::backend {

// Are there columns whose types the dialect left to the driver? And those types, of a SELECT of all columns.
bool LacksTypes(const TableLayout& layout);
arrow::Status TakeTypes(TableLayout& layout, const arrow::Schema& given);

class LayoutCache {
 public:
  explicit LayoutCache(std::shared_ptr<BackendCore> core) : core_(std::move(core)) {}

  arrow::Result<std::vector<std::string>> Schemas() EXCLUDES(mutex_);
  // KeyError: no such schema.
  arrow::Result<std::vector<BackendTable>> Tables(const std::string& schema) EXCLUDES(mutex_);
  // KeyError: no such table.
  arrow::Result<std::shared_ptr<const TableLayout>> Layout(const std::string& schema, const std::string& table)
      EXCLUDES(mutex_);
  // Of all tables, by the schemas' names in SQL here.
  arrow::Result<std::shared_ptr<const std::vector<BackendKey>>> Keys() EXCLUDES(mutex_);
  void Forget(const std::string& schema, const std::string& table) EXCLUDES(mutex_);
  void ForgetAll() EXCLUDES(mutex_);
  // Completes a layout with the types of columns that the dialect left to the driver.
  arrow::Status AskTypes(TableLayout& layout);

 private:
  template <class T>
  struct Remembered {
    T value;
    Clock::TimePoint until;
  };

  arrow::Result<std::vector<std::string>> AskSchemas() EXCLUDES(mutex_);
  // Of a schema that the driver names; none: it has no such. Fresh only where it is not known.
  arrow::Result<std::optional<NamedSchema>> Named(const std::string& schema) EXCLUDES(mutex_);
  // What the driver says, where there is no catalog to ask.
  arrow::Result<std::vector<BackendTable>> AskDriverForTables(const std::string& schema) EXCLUDES(mutex_);
  arrow::Result<TableLayout> AskDriverForLayout(const std::string& schema, const std::string& table) EXCLUDES(mutex_);
  arrow::Result<std::vector<BackendKey>> AskKeys() EXCLUDES(mutex_);
  arrow::Result<std::vector<BackendTable>> AskTables(const std::string& schema);
  arrow::Result<TableLayout> AskLayout(const std::string& schema, const std::string& table);
  arrow::Status NoSuchTable(const std::string& schema, const std::string& table);
  std::uint64_t Question() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return forgotten_;
  }
  // How long an answer to a question of then is remembered: not at all where all was to be forgotten since.
  Clock::TimePoint Until(std::uint64_t question) const REQUIRES(mutex_) {
    return question == forgotten_ ? core_->clock().Now() + core_->spec().metadata_ttl : Clock::TimePoint();
  }
  template <class T>
  bool IsFresh(const Remembered<T>& remembered) const {
    return core_->clock().Now() < remembered.until;
  }

  const std::shared_ptr<BackendCore> core_;
  mutable Mutex mutex_;
  Remembered<std::shared_ptr<const std::vector<BackendKey>>> keys_ GUARDED_BY(mutex_);
  std::uint64_t forgotten_ GUARDED_BY(mutex_) = 0;  // how often ForgetAll() was called
  Remembered<std::vector<std::string>> schemas_ GUARDED_BY(mutex_);
  std::map<std::string, NamedSchema> named_ GUARDED_BY(mutex_);  // as old as the schemas
  std::map<std::string, Remembered<std::vector<BackendTable>>> tables_ GUARDED_BY(mutex_);
  std::map<std::pair<std::string, std::string>, Remembered<std::shared_ptr<const TableLayout>>> layouts_
      GUARDED_BY(mutex_);
};

}  // namespace hyprstream::backend
