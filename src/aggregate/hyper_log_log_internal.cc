#include "aggregate/hyper_log_log_internal.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <numbers>
#include <utility>

#include "aggregate/dispatched_loops_internal.h"

namespace hyprstream::aggregate {
namespace {

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

void HyperLogLog::AddExact(std::uint64_t hash) {
  if (!is_list()) return AddToTable(hash);
  if (hashes_.size() == hashes_.capacity()) hashes_.reserve(std::max<std::size_t>(8, hashes_.size() * 2));
  hashes_.push_back(hash);
  if (!is_list()) UseTable(2 * kListMax);
}

void HyperLogLog::AddToTable(std::uint64_t hash) {
  std::size_t at = hash & (hashes_.size() - 1);
  for (; hashes_[at] != kNone; at = (at + 1) & (hashes_.size() - 1)) {
    if (hashes_[at] == hash) return;
  }
  hashes_[at] = hash;
  ++in_table_;
  if (in_table_ > kExactMax) {
    UseRegisters();
  } else if (in_table_ * 4 > hashes_.size() * 3) {
    UseTable(hashes_.size() * 2);
  }
}

void HyperLogLog::UseTable(std::size_t places) {
  const std::vector<std::uint64_t> old = std::exchange(hashes_, std::vector<std::uint64_t>(places, kNone));
  in_table_ = 0;
  for (const std::uint64_t hash : old) {
    if (hash != kNone) AddToTable(hash);
  }
}

void HyperLogLog::UseRegisters() {
  registers_.assign(kRegisters, 0);
  for (const std::uint64_t hash : hashes_) {
    if (hash != kNone) SetRegister(hash);
  }
  hashes_ = std::vector<std::uint64_t>();
  in_table_ = 0;
}

std::vector<std::uint64_t> HyperLogLog::Distinct() const {
  std::vector<std::uint64_t> distinct;
  distinct.reserve(hashes_.size());
  std::ranges::remove_copy(hashes_, std::back_inserter(distinct), kNone);
  std::ranges::sort(distinct);
  const auto rest = std::ranges::unique(distinct);
  distinct.erase(rest.begin(), rest.end());
  return distinct;
}

void HyperLogLog::Merge(const HyperLogLog& other) {
  if (other.registers_.empty()) {
    for (const std::uint64_t hash : other.hashes_) {
      if (hash != kNone) Add(hash);
    }
    return;
  }
  if (registers_.empty()) UseRegisters();
  MaxInto(registers_.data(), other.registers_.data(), kRegisters);
}

std::int64_t HyperLogLog::Estimate() const {
  if (registers_.empty()) return is_list() ? static_cast<std::int64_t>(Distinct().size()) : in_table_;
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
    const std::vector<std::uint64_t> distinct = Distinct();
    writer.Put(static_cast<std::uint32_t>(distinct.size()));
    writer.PutAll(distinct);
  } else {
    writer.Put(kInRegisters);
    writer.PutAll(registers_);
  }
}

arrow::Status HyperLogLog::Load(StateReader& reader) {
  ARROW_ASSIGN_OR_RAISE(const auto hashes, reader.Take<std::uint32_t>());
  if (hashes != kInRegisters) {
    if (hashes > kExactMax) return arrow::Status::Invalid("View state: more hashes than there can be");
    ARROW_ASSIGN_OR_RAISE(const auto sorted, reader.TakeAll<std::uint64_t>(hashes));
    if (std::ranges::adjacent_find(sorted, std::greater_equal<>()) != sorted.end() ||
        (!sorted.empty() && sorted.front() == kNone)) {
      return arrow::Status::Invalid("View state: hashes that are not in order");
    }
    for (const std::uint64_t hash : sorted) AddExact(hash);
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(registers_, reader.TakeAll<std::uint8_t>(kRegisters));
  if (std::ranges::any_of(registers_, [](std::uint8_t rank) { return rank > kRankMax; })) {
    return arrow::Status::Invalid("View state: a rank that cannot be");
  }
  return arrow::Status::OK();
}

}  // namespace hyprstream::aggregate
