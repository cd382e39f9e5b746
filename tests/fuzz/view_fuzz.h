// One seed's story: tables, views and changes through every door, each view compared with its SELECT over raw rows.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "fuzz/door.h"
#include "fuzz/random.h"
#include "fuzz/random_table.h"
#include "fuzz/random_view.h"

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
  // Everything that was done, in order: with it a failure can be followed by hand.
  const std::string& script() const { return script_; }
  // How often each kind of step succeeded, so that a test can see that it tests anything.
  const std::map<std::string, Tally>& tallies() const { return tallies_; }

 private:
  bool Do(const std::string& kind, const std::string& sql);
  void Note(const std::string& kind, const std::string& what, const arrow::Status& status);
  void Step();
  void Insert(const RandomTable& table);
  void Put(const RandomTable& table, bool ingest);
  void Change(const RandomTable& table);
  void Transaction();
  void ChangeViews();
  void CreateTable();
  void CreateView();
  arrow::Result<Batches> RandomBatches(const RandomTable& table);
  std::string CompareAll();
  std::string Compare(const RandomView& view);

  Door& door_;
  Random random_;
  std::vector<RandomTable> tables_;
  std::vector<RandomView> views_;
  bool in_transaction_ = false;
  std::string script_;
  std::map<std::string, Tally> tallies_;
};

}  // namespace hyprstream::fuzz
