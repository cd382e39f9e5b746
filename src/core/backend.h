// A database behind the server, as the floors above its connections see it: which tables it has, and their rows.
//
// Thread safety: all methods const and callable from any thread; they may wait for the database, never longer than its
// statement timeout. Ownership: held by shared_ptr while anything reads; what is asked of a detached one is Cancelled.
// Errors: IOError where the database cannot be reached (at once, while that is known) or has not answered within its
// statement timeout, Cancelled where the caller has gone, CapacityError where no connection came free in time, KeyError
// for a schema or table that it has not, even when asked anew; anything else is the database's own refusal in its own
// words. No message has a secret or an URI in it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/backend_writer.h"
#include "core/remote_query.h"
#include "core/table_ref.h"
#include "core/table_source.h"

namespace hyprstream {

struct BackendTable {
  std::string schema;
  std::string name;
  bool is_view = false;
};

// A primary or a foreign key of a table, as the database says it. Nothing here relies on its being kept.
struct BackendKey {
  enum class Rule : std::uint8_t {
    kCascade,
    kRestrict,
    kSetNull,
    kNoAction,
    kSetDefault
  };  // as Flight SQL counts them

  TableRef table;
  std::string name = {};  // empty: it has none, or the database does not say
  std::vector<std::string> columns;
  TableRef referenced = {};  // without a name: a primary key
  std::string referenced_name = {};
  std::vector<std::string> referenced_columns = {};
  Rule on_update = Rule::kNoAction;
  Rule on_delete = Rule::kNoAction;

  bool is_foreign() const { return !referenced.name.empty(); }
};

// A query that the database answers as a whole.
struct RemotePlan {
  std::shared_ptr<const TableSource> rows;  // of the query's columns, in their order
  std::string statement;                    // as it is sent, but for what a scan adds to it
};

class Backend {
 public:
  virtual ~Backend() = default;
  // As SQL addresses it: `name.schema.table`.
  virtual const std::string& name() const = 0;

  // Names are as the database spells them, and are remembered for a while; an unknown one is looked up anew once. A
  // database without schemas has the one schema `main`.
  virtual arrow::Result<std::vector<std::string>> Schemas() const = 0;
  virtual arrow::Result<std::vector<BackendTable>> Tables(const std::string& schema) const = 0;

  // Its fields say what may be NULL. A scan applies what it can of the request and streams; it ends soon after the
  // request's `cancelled` says so, and its connection is used for nothing else meanwhile.
  virtual arrow::Result<std::shared_ptr<TableSource>> Table(const std::string& schema,
                                                            const std::string& table) const = 0;

  // The keys of all tables, remembered likewise; none where the database does not say.
  virtual arrow::Result<std::shared_ptr<const std::vector<BackendKey>>> Keys() const;
  // Whatever is remembered is asked anew when it is wanted next. Waits for nothing.
  virtual void ForgetCatalog() const {}

  // The rows of one statement in the database's own language, passed on untouched. Each scan runs it again, and so may
  // finding out which columns it has: that ends soon after `cancelled` says so.
  virtual arrow::Result<std::shared_ptr<TableSource>> Query(const std::string& statement,
                                                            std::function<bool()> cancelled) const = 0;

  // A query over tables that Table() gave, where it is certain that the database means the same by it. NotImplemented,
  // saying of what it is not.
  virtual arrow::Result<RemotePlan> Plan(const RemoteRelation& query) const;
  // A transaction that may change tables. What it waits for ends soon after `cancelled` says so, which is asked from
  // any thread while a call of the writer runs. NotImplemented: the database is only read.
  virtual arrow::Result<std::unique_ptr<BackendWriter>> BeginWriting(std::function<bool()> cancelled) const;
};

}  // namespace hyprstream
