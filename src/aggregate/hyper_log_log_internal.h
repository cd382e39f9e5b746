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
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "aggregate/physical_internal.h"
#include "aggregate/state_bytes_internal.h"

namespace hyprstream::aggregate {

class HyperLogLog {
 public:
  static constexpr std::size_t kRegisters = 4096;
  static constexpr std::size_t kExactMax = 512;  // hashes that are kept one by one

  void Add(std::uint64_t hash) { Add(std::span(&hash, 1)); }
  void Add(std::span<const std::uint64_t> hashes);
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
  static constexpr std::uint64_t kNone = 0;  // no hash is, see SketchHash
  static_assert(kRegisters == std::size_t{1} << kIndexBits);

  // Up to so many hashes there is room for as many again without a look at which are the same.
  static constexpr std::size_t kUnseenMax = 64;
  static constexpr std::size_t kListMax = 2 * kExactMax;

  void MakeRoom();
  // Leaves the first of equal hashes, in their order, and returns how many these are; at most kListMax.
  static std::size_t Unique(std::span<std::uint64_t> hashes);
  void SetRegister(std::uint64_t hash) {
    // The sentinel bit ends the count where all others are zero.
    const std::uint64_t rest = hash << kIndexBits | std::uint64_t{1} << (kIndexBits - 1);
    std::uint8_t& rank = registers_[hash >> (64 - kIndexBits)];
    rank = std::max(rank, static_cast<std::uint8_t>(std::countl_zero(rest) + 1));
  }
  void UseRegisters();
  // The same where neither order nor repeats show: with hashes ascending, each once, or with registers.
  HyperLogLog Settled() const;

  // In the order they came; some may come again, which is found when the room is full. Empty when registers_ are used.
  std::vector<std::uint64_t> hashes_;
  std::vector<std::uint8_t> registers_;  // empty, or kRegisters of them
};

inline constexpr std::uint64_t kSketchFirst = 0x9e3779b97f4a7c15ULL;
inline constexpr std::uint64_t kSketchSecond = 0xd6e8feb86659fd93ULL;

inline std::uint64_t AddSketchWord(std::uint64_t hash, std::uint64_t word) {
  const UInt128 product = static_cast<UInt128>(hash ^ word ^ kSketchSecond) * UInt128{kSketchFirst | 1};
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline std::uint64_t FinishSketchHash(std::uint64_t hash) {
  // All bits of the result depend on all of the input: registers are chosen by the highest, ranks by the others.
  hash ^= hash >> 32;
  hash *= kSketchSecond;
  hash ^= hash >> 29;
  hash *= kSketchFirst;
  hash ^= hash >> 32;
  return hash == 0 ? 1 : hash;
}

// Never 0. Part of the state format: the same for ever.
inline std::uint64_t SketchHash(std::string_view bytes) {
  std::uint64_t hash = kSketchFirst ^ bytes.size();
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    const std::size_t taken = std::min(bytes.size(), sizeof(word));
    std::memcpy(&word, bytes.data(), taken);
    bytes.remove_prefix(taken);
    hash = AddSketchWord(hash, word);
  }
  return FinishSketchHash(hash);
}

// That of a value's bytes.
template <class V>
  requires(std::is_trivially_copyable_v<V> && sizeof(V) <= sizeof(std::uint64_t))
std::uint64_t SketchHashOf(const V& value) {
  std::uint64_t word = 0;
  std::memcpy(&word, &value, sizeof(V));
  return FinishSketchHash(AddSketchWord(kSketchFirst ^ sizeof(V), word));
}

}  // namespace hyprstream::aggregate
