// How many different values there were, from their hashes: exact while there are few, then to a standard error of 1.6
// %.
//
// HyperLogLog with 4,096 registers (Flajolet, Fusy, Gandouet, Meunier, 2007), read by Ertl's improved estimator ("New
// cardinality estimation algorithms for HyperLogLog sketches", 2017), which needs no tables of bias. Merging is exact:
// the same hashes in any order and split give the same registers. Thread safety: none.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "aggregate/physical_internal.h"
#include "aggregate/state_bytes_internal.h"

namespace hyprstream::aggregate {

class HyperLogLog {
 public:
  static constexpr std::size_t kRegisters = 4096;
  static constexpr std::size_t kExactMax = 512;  // hashes that are kept one by one

  void Add(std::uint64_t hash) { registers_.empty() ? AddExact(hash) : SetRegister(hash); }
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
  static constexpr int kIndexBits = 12;
  static constexpr int kRankMax = 64 - kIndexBits + 1;
  static constexpr std::uint64_t kNone = 0;  // in hashes_; no hash is, see SketchHash
  static_assert(kRegisters == std::size_t{1} << kIndexBits);

  static constexpr std::size_t kListMax = 64;

  bool is_list() const { return hashes_.size() < kListMax; }
  void AddExact(std::uint64_t hash);
  void AddToTable(std::uint64_t hash);
  void SetRegister(std::uint64_t hash) {
    const auto index = static_cast<std::size_t>(hash >> (64 - kIndexBits));
    // The sentinel bit ends the count where all others are zero.
    const std::uint64_t rest = hash << kIndexBits | std::uint64_t{1} << (kIndexBits - 1);
    const auto rank = static_cast<std::uint8_t>(std::countl_zero(rest) + 1);
    registers_[index] = std::max(registers_[index], rank);
  }
  void UseTable(std::size_t places);
  void UseRegisters();
  std::vector<std::uint64_t> Distinct() const;  // ascending

  // A list of the first ones, in which some may come again; then a table, a power of two of places by the hash's lowest
  // bits; empty when registers_ are used.
  std::vector<std::uint64_t> hashes_;
  std::uint32_t in_table_ = 0;
  std::vector<std::uint8_t> registers_;  // empty, or kRegisters of them
};

// Never 0. Part of the state format: the same for ever.
inline std::uint64_t SketchHash(std::string_view bytes) {
  constexpr std::uint64_t kFirst = 0x9e3779b97f4a7c15ULL;
  constexpr std::uint64_t kSecond = 0xd6e8feb86659fd93ULL;
  const auto mix = [](std::uint64_t a, std::uint64_t b) {
    const UInt128 product = static_cast<UInt128>(a) * static_cast<UInt128>(b);
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  std::uint64_t hash = kFirst ^ bytes.size();
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    const std::size_t taken = std::min(bytes.size(), sizeof(word));
    std::memcpy(&word, bytes.data(), taken);
    bytes.remove_prefix(taken);
    hash = mix(hash ^ word ^ kSecond, kFirst | 1);
  }
  // All bits of the result depend on all of the input: registers are chosen by the highest, ranks by the others.
  hash ^= hash >> 32;
  hash *= kSecond;
  hash ^= hash >> 29;
  hash *= kFirst;
  hash ^= hash >> 32;
  return hash == 0 ? 1 : hash;
}

}  // namespace hyprstream::aggregate
