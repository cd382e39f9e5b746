// The most frequent values of a stream, in bounded room.
//
// Counters of Misra and Gries (1982), in the batched form of Anderson, Bevan, Lang, Liberty, Rhodes and Thaler (IMC
// 2017): what space-saving keeps, but mergeable (Agarwal, Cormode, Huang, Phillips, Wei, Yi, "Mergeable summaries",
// PODS 2012). An estimate is at most rows / capacity too low and never too high; a value that came more often than that
// is there. Thread safety: none.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "aggregate/state_bytes_internal.h"

namespace hyprstream::aggregate {

class FrequentItems {
 public:
  explicit FrequentItems(std::uint32_t capacity) : capacity_(capacity) {}

  void Add(std::string_view item, std::uint64_t count = 1);
  void Merge(const FrequentItems& other);
  // The most frequent first, of equally frequent ones the one with the lesser bytes; at most `most`.
  std::vector<std::string_view> Top(std::size_t most) const;
  std::uint64_t total() const;  // of what is counted
  // False when a value is none to `is_one`.
  bool All(const std::function<bool(std::string_view)>& is_one) const;
  std::uint64_t CountOf(std::string_view item) const;  // at least, for tests
  std::int64_t bytes() const { return bytes_; }

  // u64 items, of each u64 length, bytes and u64 count, in the order of the bytes.
  void Save(StateWriter& writer) const;
  arrow::Status Load(StateReader& reader);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Counters = std::unordered_map<std::string, std::uint64_t, Hash, std::equal_to<>>;

  static std::int64_t BytesOf(std::string_view item);
  void Shrink();

  std::uint32_t capacity_;
  Counters counters_;  // at most 2 * capacity_
  std::int64_t bytes_ = sizeof(FrequentItems);
};

}  // namespace hyprstream::aggregate
