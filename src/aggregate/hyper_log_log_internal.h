// How many different values there were, from their hashes: exact while there are few, then to a standard error of 1.6
// %.
//
// HyperLogLog with 4,096 registers (Flajolet, Fusy, Gandouet, Meunier, 2007), read by Ertl's improved estimator ("New
// cardinality estimation algorithms for HyperLogLog sketches", 2017), which needs no tables of bias. Merging is exact:
// the same hashes in any order and split give the same registers. Thread safety: none.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "aggregate/state_bytes_internal.h"

namespace hyprstream::aggregate {

class HyperLogLog {
 public:
  static constexpr std::size_t kRegisters = 4096;
  static constexpr std::size_t kExactMax = 512;  // hashes that are kept one by one

  void Add(std::uint64_t hash);
  void Merge(const HyperLogLog& other);
  std::int64_t Estimate() const;
  std::int64_t bytes() const {
    return static_cast<std::int64_t>(sizeof(*this) + hashes_.capacity() * sizeof(std::uint64_t) +
                                     registers_.capacity());
  }

  // u32 hashes, then they, ascending; or 2^32 - 1, then the registers.
  void Save(StateWriter& writer) const;
  arrow::Status Load(StateReader& reader);

 private:
  void SetRegister(std::uint64_t hash);
  void UseRegisters();

  std::vector<std::uint64_t> hashes_;    // ascending; empty when registers_ are used
  std::vector<std::uint8_t> registers_;  // empty, or kRegisters of them
};

// Part of the state format: the same for ever.
std::uint64_t SketchHash(std::string_view bytes);

}  // namespace hyprstream::aggregate
