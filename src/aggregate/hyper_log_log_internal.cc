#include "aggregate/hyper_log_log_internal.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>

#include "aggregate/physical_internal.h"

namespace hyprstream::aggregate {
namespace {

constexpr int kIndexBits = 12;
constexpr int kRankMax = 64 - kIndexBits + 1;
constexpr std::uint32_t kInRegisters = std::numeric_limits<std::uint32_t>::max();

// Ertl's sigma and tau: what the empty and the full registers add to the sum.
double Sigma(double x) {
  if (x == 1) return std::numeric_limits<double>::infinity();
  double y = 1;
  double z = x;
  for (double before = -1; z != before;) {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  }
  return z;
}

double Tau(double x) {
  if (x == 0 || x == 1) return 0;
  double y = 1;
  double z = 1 - x;
  for (double before = -1; z != before;) {
    x = std::sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  }
  return z / 3;
}

}  // namespace

std::uint64_t SketchHash(std::string_view bytes) {
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
  return hash ^ (hash >> 32);
}

void HyperLogLog::Add(std::uint64_t hash) {
  if (!registers_.empty()) return SetRegister(hash);
  const auto at = std::ranges::lower_bound(hashes_, hash);
  if (at != hashes_.end() && *at == hash) return;
  hashes_.insert(at, hash);
  if (hashes_.size() > kExactMax) UseRegisters();
}

void HyperLogLog::SetRegister(std::uint64_t hash) {
  const auto index = static_cast<std::size_t>(hash >> (64 - kIndexBits));
  // The sentinel bit ends the count where all others are zero.
  const std::uint64_t rest = hash << kIndexBits | std::uint64_t{1} << (kIndexBits - 1);
  const auto rank = static_cast<std::uint8_t>(std::countl_zero(rest) + 1);
  registers_[index] = std::max(registers_[index], rank);
}

void HyperLogLog::UseRegisters() {
  registers_.assign(kRegisters, 0);
  for (const std::uint64_t hash : hashes_) SetRegister(hash);
  hashes_ = {};
}

void HyperLogLog::Merge(const HyperLogLog& other) {
  if (other.registers_.empty()) {
    for (const std::uint64_t hash : other.hashes_) Add(hash);
    return;
  }
  if (registers_.empty()) UseRegisters();
  for (std::size_t i = 0; i < kRegisters; ++i) registers_[i] = std::max(registers_[i], other.registers_[i]);
}

std::int64_t HyperLogLog::Estimate() const {
  if (registers_.empty()) return static_cast<std::int64_t>(hashes_.size());
  std::array<int, kRankMax + 1> of_rank{};
  for (const std::uint8_t rank : registers_) ++of_rank[rank];
  constexpr auto kCount = static_cast<double>(kRegisters);
  double z = kCount * Tau(1 - of_rank[kRankMax] / kCount);
  for (int rank = kRankMax - 1; rank >= 1; --rank) z = 0.5 * (z + of_rank[static_cast<std::size_t>(rank)]);
  z += kCount * Sigma(of_rank[0] / kCount);
  return std::llround(kCount * kCount / (2 * std::numbers::ln2 * z));
}

void HyperLogLog::Save(StateWriter& writer) const {
  if (registers_.empty()) {
    writer.Put(static_cast<std::uint32_t>(hashes_.size()));
    writer.PutAll(hashes_);
  } else {
    writer.Put(kInRegisters);
    writer.PutAll(registers_);
  }
}

arrow::Status HyperLogLog::Load(StateReader& reader) {
  ARROW_ASSIGN_OR_RAISE(const auto hashes, reader.Take<std::uint32_t>());
  if (hashes != kInRegisters) {
    if (hashes > kExactMax) return arrow::Status::Invalid("View state: more hashes than there can be");
    ARROW_ASSIGN_OR_RAISE(hashes_, reader.TakeAll<std::uint64_t>(hashes));
    if (std::ranges::adjacent_find(hashes_, std::greater_equal<>()) != hashes_.end()) {
      return arrow::Status::Invalid("View state: hashes that are not in order");
    }
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(registers_, reader.TakeAll<std::uint8_t>(kRegisters));
  if (std::ranges::any_of(registers_, [](std::uint8_t rank) { return rank > kRankMax; })) {
    return arrow::Status::Invalid("View state: a rank that cannot be");
  }
  return arrow::Status::OK();
}

}  // namespace hyprstream::aggregate
