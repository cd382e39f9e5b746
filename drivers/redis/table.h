// Tables as keys of the server. A table t under the prefix p has
//   {p:t}:#schema      STRING  its columns and options as JSON; a table exists while this key does
//   {p:t}:#version     STRING  counts versions of its rows, for ever
//   {p:t}:V:KEY        HASH    a row of version V: a field for each value that is not NULL
//   {p:t}:#index:V     ZSET    keys of its rows; the score is the time column's count, or 0 for all
//   {p:t}:#changes     STRING  counts pipelines of changed rows, so that a transaction that reads can watch them
//   p:#tables          SET     names of tables
// KEY is the primary key's text, or a count of 16 hexadecimal digits where there is none; such a row's hash has an
// empty field as well. Replacing a table writes another version and then changes #schema: readers see one or the other.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "wire.h"

namespace arrow {
class Schema;
}

namespace adbc_redis {

// Where the rows of a table are.
enum class Source {
  kOwn,     // in hashes of this driver's, as above
  kHashes,  // in hashes that others write: the table's `place` is the pattern of their keys
  kStream,  // in the entries of the stream `place`
};

struct Table {
  std::string name;
  std::shared_ptr<arrow::Schema> schema;
  int key = -1;   // the column; -1: none
  int time = -1;  // likewise
  int64_t retention_ms = 0;
  int64_t version = 0;
  Source source = Source::kOwn;
  std::string place = {};

  bool has_key() const { return key >= 0; }
  // The field that every row of its own has.
  const std::string& present_field() const;
};

// INVALID_ARGUMENT: what CREATE TABLE or ingest says makes no table (names, key, time column, types).
arrow::Status CheckTable(const Table& table);

// Names of keys.
class KeyNames {
 public:
  KeyNames(std::string_view prefix, std::string_view table);
  std::string Schema() const { return base_ + "#schema"; }
  std::string Version() const { return base_ + "#version"; }
  std::string Changes() const { return base_ + "#changes"; }
  std::string Counter() const { return base_ + "#counter"; }
  std::string Index(int64_t version) const { return base_ + "#index:" + std::to_string(version); }
  std::string Row(int64_t version, std::string_view key) const;

 private:
  std::string base_;  // {p:t}:
};

class Transaction;

// The tables under one prefix. With a transaction, what changes them is held until it is committed.
//
// Thread safety: as Wire; with a transaction one thread at a time.
class Tables {
 public:
  Tables(std::shared_ptr<Wire> wire, std::string prefix) : wire_(std::move(wire)), prefix_(std::move(prefix)) {}
  Tables Within(std::shared_ptr<Transaction> transaction) const;

  // INVALID_ARGUMENT for a prefix that could run into another's keys.
  static arrow::Status CheckPrefix(const std::string& prefix);

  // NOT_FOUND: there is none of that name.
  arrow::Result<Table> Load(const std::string& name) const;
  // Null: there is none.
  arrow::Result<std::unique_ptr<Table>> Find(const std::string& name) const;
  arrow::Result<std::vector<std::string>> List() const;  // sorted

  // Before rows of a table are read. NOT_IMPLEMENTED: the transaction has changed them, and would not see that.
  arrow::Status NoteRead(const Table& table) const;
  // Before a stream is looked at to change it: a transaction watches it from here on.
  arrow::Status NoteLookUp(const Table& table) const;
  // Which of the rows of these keys there are; a transaction watches them from here on.
  arrow::Result<std::vector<bool>> RowsThere(const Table& table, const std::vector<std::string>& keys,
                                             const CancelFlag* cancel) const;
  // Commands that write (`there`) or remove the rows of these keys, which only a transaction needs. One more is added.
  // With a posting their answers need not be there yet.
  arrow::Status ChangeRows(const Table& table, Pipeline& commands, const std::vector<std::string>& keys, bool there,
                           const CancelFlag* cancel, Posting* posting = nullptr) const;
  bool in_transaction() const { return transaction_ != nullptr; }

  // A number for rows that nobody sees until Publish().
  arrow::Result<int64_t> NewVersion(const std::string& name) const;
  // Makes the table's version the one that is read. With `must_be_new` ALREADY_EXISTS where there is a table.
  arrow::Status Publish(const Table& table, bool must_be_new) const;
  // Removes the rows of a version after `grace_ms`, so that those who read it may end.
  arrow::Status Retire(const Table& table, int64_t grace_ms) const;
  arrow::Status RetireNow(const Table& table, int64_t grace_ms) const;
  arrow::Status Drop(const Table& table) const;

  KeyNames Names(const std::string& table) const { return {prefix_, table}; }
  const std::shared_ptr<Wire>& wire() const { return wire_; }

 private:
  std::string ListKey() const { return prefix_ + ":#tables"; }

  std::shared_ptr<Wire> wire_;
  std::string prefix_;
  std::shared_ptr<Transaction> transaction_;  // null: what changes something is sent at once
};

// #schema's text and back; INVALID_DATA: it is none.
arrow::Result<std::string> TableToJson(const Table& table);
arrow::Result<Table> TableFromJson(const std::string& name, std::string_view json);

}  // namespace adbc_redis
