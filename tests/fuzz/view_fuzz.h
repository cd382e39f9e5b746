// One seed's story: tables, views and changes through every door, each view compared with its SELECT over all accepted
// rows in a plain DuckDB that is told the same.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "fuzz/door.h"
#include "fuzz/oracle.h"
#include "fuzz/random.h"
#include "fuzz/random_table.h"
#include "fuzz/random_view.h"
#include "fuzz/row_comparison.h"
#include "fuzz/row_pool.h"

namespace hyprstream::fuzz {

struct Tally {
  int done = 0;
  int refused = 0;
};

class ViewFuzz {
 public:
  ViewFuzz(Door& door, std::uint64_t seed) : door_(door), random_(seed) {}

  // Empty when every comparison held; else what differs.
  std::string Run(int steps);
  // Drops what it made, so that the next seed can use the same server. False when something is left.
  bool CleanUp();
  // Everything that was done, in order: with it a failure can be followed by hand.
  const std::string& script() const { return script_; }
  // How often each kind of step succeeded, so that a test can see that it tests anything.
  const std::map<std::string, Tally>& tallies() const { return tallies_; }

 private:
  bool Do(const std::string& kind, const std::string& sql);
  bool DoAs(const std::string& kind, const std::string& sql, const std::string& oracle_sql);
  void Note(const std::string& kind, const std::string& what, const arrow::Status& status);
  void Fail(const std::string& what);
  void Tell(const arrow::Status& told, const std::string& what);
  void RollBack();
  void ExpectRefusal(const RandomTable& table, const std::string& insert, const arrow::Status& refusal);

  void Step();
  bool Restart(Ending ending);
  void RestartAtEnd();
  void Insert(const RandomTable& table);
  void Put(const RandomTable& table);
  void Ingest(const RandomTable& table);
  void Change(const RandomTable& table);
  void ChangeByOtherRows(const RandomTable& table, const std::string& where);
  void Transaction();
  void ChangeViews();
  void CreateTable();
  void CreateView();
  RandomView NewView();
  void DropView();
  void Drop(const std::string& name, bool cascade);
  void Refresh();
  void CopyStates();
  void AwaitFilled();
  bool CreateUnderWriters(const RandomView& view, const std::string& sql);
  void PutInto(const RandomTable& table, const Load& load, const PutOutcome& outcome);
  const RandomTable& TableOf(const RandomView& view) const;
  void CompareAll();
  void CompareIn(const std::string& time_zone);
  void Compare(const RandomView& view);
  void CompareCoarser(const RandomView& view);
  void CompareTo(const RandomView& view, const std::string& source, const std::string& what);
  void Judge(const RandomView& view, const std::string& source, const std::string& what, const Columns& columns,
             const arrow::Result<std::shared_ptr<arrow::Table>>& actual);
  void CompareTypes(const RandomView& view);
  bool EndsTheOracle(const arrow::Status& failure);
  arrow::Result<Columns> ColumnsOf(const RandomView& view);
  void LookUp(const RandomView& view, const Columns& columns, const Rows& rows);

  Door& door_;
  Oracle oracle_;
  Random random_;
  RowPool pool_;
  std::vector<RandomTable> tables_;
  std::vector<RandomView> views_;
  std::vector<RandomView> views_before_;  // the transaction
  std::set<std::string> filling_;         // in the background, for all that is known
  std::string time_zone_ = "UTC";
  std::map<std::string, Columns> columns_;  // by zone and SELECT
  std::set<std::string> types_compared_;
  bool in_transaction_ = false;
  bool oracle_has_ended_ = false;
  std::string failure_;
  std::string script_;
  std::map<std::string, Tally> tallies_;
};

}  // namespace hyprstream::fuzz
