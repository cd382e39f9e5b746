// Memory of results on their way from DuckDB's threads to the network, of all connections of one engine.
//
// Nobody is refused and nobody waits, or one client that does not read would stop the others: as the room fills up
// batches become smaller, so that those who read hold little and those who do not hold still less. In the end each
// result has a few batches of kResultBatchBytesMin, beyond the bound.
//
// Thread safety: all methods, from any thread; one Hold by one thread at a time.
// Ownership: shared with every Hold, which may outlive the engine (gRPC gives buffers back when it likes).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace hyprstream::engine {

// One outgoing batch; a batch may be larger by what one vector (2,048 rows) holds.
inline constexpr std::int64_t kResultBatchBytes = 4LL << 20;
inline constexpr std::int64_t kResultBatchBytesMin = 256LL << 10;

class ResultMemory {
 public:
  // Bytes counted; gives them back when destroyed. Move-only.
  class Hold {
   public:
    Hold() = default;
    explicit Hold(std::shared_ptr<ResultMemory> memory) : memory_(std::move(memory)) {}
    Hold(Hold&& other) noexcept : memory_(std::move(other.memory_)), bytes_(std::exchange(other.bytes_, 0)) {}
    Hold& operator=(Hold&&) = delete;
    ~Hold() {
      if (memory_ != nullptr) memory_->bytes_used_ -= bytes_;
    }

    void Grow(std::int64_t bytes) {
      memory_->bytes_used_ += bytes;
      bytes_ += bytes;
    }
    std::int64_t bytes() const { return bytes_; }
    // What is held so far, apart; this one goes on from nothing.
    Hold Take() {
      Hold taken(memory_);
      taken.bytes_ = std::exchange(bytes_, 0);
      return taken;
    }

   private:
    std::shared_ptr<ResultMemory> memory_;
    std::int64_t bytes_ = 0;
  };

  explicit ResultMemory(std::int64_t bytes_max) : bytes_max_(bytes_max) {}

  std::int64_t bytes_used() const { return bytes_used_; }
  // What a batch may take now.
  std::int64_t BatchBytes() const {
    constexpr std::int64_t kBatchesLeft = 8;  // a result holds that many on two threads when nobody reads it
    return std::clamp((bytes_max_ - bytes_used_) / kBatchesLeft, kResultBatchBytesMin, kResultBatchBytes);
  }

 private:
  const std::int64_t bytes_max_;
  std::atomic<std::int64_t> bytes_used_ = 0;
};

}  // namespace hyprstream::engine
