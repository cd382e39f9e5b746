// What one transaction is to change, held here until it is committed by MULTI and EXEC: all of it or nothing.
//
// Whatever it looks at is watched (WATCH) before: when somebody else changes that before the commit, the commit fails
// and nothing is written. It does not see its own changes, except that it knows which tables and keys they are.
// Rows of a version that nobody reads yet are no changes: they are written at once, and removed by a rollback.
// Thread safety: one thread at a time. Ownership: shares the wire, whose connection must stay the same one meanwhile.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "table.h"
#include "wire.h"

namespace adbc_redis {

class Transaction {
 public:
  Transaction(std::shared_ptr<Wire> wire, int64_t bytes_max) : wire_(std::move(wire)), bytes_max_(bytes_max) {}

  // From here on a change of these keys fails the commit.
  arrow::Status Watch(const std::vector<std::string>& keys);
  // More commands of the commit. INVALID_STATE: they are more than `bytes_max` in all.
  arrow::Status Hold(const Pipeline& commands);

  // What it has made of a table's description; null: nothing yet. The inner null: it drops the table.
  const std::shared_ptr<const Table>* Described(const std::string& name) const;
  void Describe(const std::string& name, std::shared_ptr<const Table> table) { described_[name] = std::move(table); }
  void NoteVersion(const std::string& name, int64_t version) { fresh_.emplace(name, version); }
  bool IsFresh(const Table& table) const { return fresh_.contains({table.name, table.version}); }
  // After the commit the rows of this version go, `grace_ms` later.
  void NoteRetired(const Table& table, int64_t grace_ms) { retired_.emplace_back(table, grace_ms); }

  // Which of a table's rows it has written (true) or removed, by their keys.
  using RowsThere = std::unordered_map<std::string, bool>;
  RowsThere& RowsOf(const std::string& table) { return rows_[table]; }
  void NoteChanged(const std::string& table) { changed_.insert(table); }
  bool Changes(const std::string& table) const { return changed_.contains(table) || described_.contains(table); }

  // A statement has failed, of which a part may be held: nothing can be committed any more.
  void Spoil(const Tables& tables);
  // INVALID_STATE: somebody has changed meanwhile what it has read; IO: the connection was lost. Nothing is written
  // then, except where the message says that this is not known. After either it is as new.
  arrow::Status Commit(const Tables& tables);
  arrow::Status Rollback(const Tables& tables);

 private:
  arrow::Status CheckConnection() const;
  arrow::Status Send(bool& carried_out);
  void Clear();

  const std::shared_ptr<Wire> wire_;
  const int64_t bytes_max_;
  bool spoiled_ = false;
  std::optional<int64_t> connection_;  // on which it watches
  std::vector<Pipeline> held_;
  int64_t held_bytes_ = 0;
  std::map<std::string, std::shared_ptr<const Table>> described_;
  std::set<std::pair<std::string, int64_t>> fresh_;
  std::vector<std::pair<Table, int64_t>> retired_;
  std::map<std::string, RowsThere> rows_;
  std::set<std::string> changed_;
};

}  // namespace adbc_redis
