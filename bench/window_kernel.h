// The hand-written kernel that the aggregation engine is held against: count, sum, min and max of a DOUBLE by 5-minute
// window and integer key, and nothing else.
//
// Knows that rows come in time order, that nothing is NULL and that keys are small: an array by key while that fits the
// caches, an open-addressing table beyond. Thread safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <vector>

namespace arrow {
class RecordBatch;
}

namespace hyprstream::bench {

inline constexpr std::int64_t kWindowUs = 300'000'000;

class WindowKernel {
 public:
  // Keys are in [0, keys).
  explicit WindowKernel(std::int64_t keys) : keys_(keys) {}

  // Columns: timestamp[us], int64 or int32 key, double.
  void Add(const arrow::RecordBatch& batch);
  std::size_t windows() const { return dense_.size() + hashed_.size(); }

 private:
  static constexpr std::int64_t kDenseKeys = 200'000;

  struct State {
    std::int64_t key = -1;
    std::int64_t count = 0;
    double sum = 0;
    double low = std::numeric_limits<double>::infinity();
    double high = -std::numeric_limits<double>::infinity();

    void Add(double value) {
      ++count;
      sum += value;
      low = value < low ? value : low;
      high = value > high ? value : high;
    }
  };

  struct Table {
    std::vector<State> states = std::vector<State>(1024);
    std::size_t used = 0;

    std::size_t mask() const { return states.size() - 1; }
    State& Find(std::int64_t key, std::size_t at);
    void MakeRoom(std::size_t rows);
  };

  template <class Key>
  void AddDense(const arrow::RecordBatch& batch);
  template <class Key>
  void AddHashed(const arrow::RecordBatch& batch);

  const std::int64_t keys_;
  std::int64_t end_ = std::numeric_limits<std::int64_t>::min();  // of the newest window
  std::deque<std::vector<State>> dense_;
  std::deque<Table> hashed_;
};

// Scrambles a number.
inline std::uint64_t Mix(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

}  // namespace hyprstream::bench
