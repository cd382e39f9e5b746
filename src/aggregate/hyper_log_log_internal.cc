#include "aggregate/hyper_log_log_internal.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>

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

void HyperLogLog::Add(std::span<const std::uint64_t> hashes) {
  while (!hashes.empty() && registers_.empty()) {
    if (hashes_.size() == hashes_.capacity()) {
      MakeRoom();
      continue;
    }
    const std::size_t taken = std::min(hashes.size(), hashes_.capacity() - hashes_.size());
    hashes_.insert(hashes_.end(), hashes.begin(), hashes.begin() + static_cast<std::ptrdiff_t>(taken));
    hashes = hashes.subspan(taken);
  }
  for (const std::uint64_t hash : hashes) SetRegister(hash);
}

void HyperLogLog::MakeRoom() {
  constexpr std::size_t kRoomMin = 8;
  const std::size_t room = hashes_.capacity();
  if (room >= kUnseenMax) hashes_.resize(Unique(hashes_));
  if (hashes_.size() > kExactMax) return UseRegisters();
  // A copy's room is what it needed.
  if (hashes_.size() * 2 > room || room == 0) hashes_.reserve(std::max(kRoomMin, std::bit_ceil(room + 1)));
}

std::size_t HyperLogLog::Unique(std::span<std::uint64_t> hashes) {
  std::array<std::uint64_t, 2 * kListMax> table;
  const std::size_t places = std::bit_ceil(hashes.size() * 2);
  std::fill_n(table.begin(), places, kNone);
  std::size_t kept = 0;
  for (const std::uint64_t hash : hashes) {
    std::size_t at = hash & (places - 1);
    while (table[at] != kNone && table[at] != hash) at = (at + 1) & (places - 1);
    hashes[kept] = hash;
    kept += table[at] == kNone ? 1 : 0;
    table[at] = hash;
  }
  return kept;
}

void HyperLogLog::UseRegisters() {
  registers_.assign(kRegisters, 0);
  for (const std::uint64_t hash : hashes_) SetRegister(hash);
  hashes_ = std::vector<std::uint64_t>();
}

HyperLogLog HyperLogLog::Settled() const {
  HyperLogLog settled = *this;
  if (!registers_.empty()) return settled;
  settled.hashes_.resize(Unique(settled.hashes_));
  if (settled.hashes_.size() > kExactMax) {
    settled.UseRegisters();
  } else {
    std::ranges::sort(settled.hashes_);
  }
  return settled;
}

void HyperLogLog::Merge(const HyperLogLog& other) {
  if (other.registers_.empty()) return Add(other.hashes_);
  if (registers_.empty()) UseRegisters();
  MaxInto(registers_.data(), other.registers_.data(), kRegisters);
}

std::int64_t HyperLogLog::Estimate() const {
  if (registers_.empty()) {
    std::vector<std::uint64_t> distinct = hashes_;
    distinct.resize(Unique(distinct));
    return distinct.size() > kExactMax ? Settled().Estimate() : static_cast<std::int64_t>(distinct.size());
  }
  std::array<int, kRankMax + 1> of_rank{};
  for (const std::uint8_t rank : registers_) ++of_rank[rank];
  constexpr auto kCount = static_cast<double>(kRegisters);
  double z = kCount * Tau(1 - of_rank[kRankMax] / kCount);
  for (int rank = kRankMax - 1; rank >= 1; --rank) z = 0.5 * (z + of_rank[static_cast<std::size_t>(rank)]);
  z += kCount * Sigma(of_rank[0] / kCount);
  return std::llround(kCount * kCount / (2 * std::numbers::ln2 * z));
}

void HyperLogLog::Save(StateWriter& writer) const {
  const HyperLogLog settled = Settled();
  if (settled.registers_.empty()) {
    writer.Put(static_cast<std::uint32_t>(settled.hashes_.size()));
    writer.PutAll(settled.hashes_);
  } else {
    writer.Put(kInRegisters);
    writer.PutAll(settled.registers_);
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
    Add(sorted);
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(registers_, reader.TakeAll<std::uint8_t>(kRegisters));
  if (std::ranges::any_of(registers_, [](std::uint8_t rank) { return rank > kRankMax; })) {
    return arrow::Status::Invalid("View state: a rank that cannot be");
  }
  return arrow::Status::OK();
}

}  // namespace hyprstream::aggregate
