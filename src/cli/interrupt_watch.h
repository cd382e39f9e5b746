// Ctrl-C as a call, while something runs that it should stop.
//
// Thread safety: make and destroy it on one thread. Ownership: one thread, joined by the destructor. SIGINT must be
// blocked in all threads (BlockInterrupts) before the first is started.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace hyprstream::cli {

void BlockInterrupts();

class InterruptWatch {
 public:
  // Calls `on_interrupt` from the watch's thread; the second Ctrl-C of one watch ends the process.
  explicit InterruptWatch(std::function<void()> on_interrupt);
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

 private:
  void Watch();

  std::function<void()> on_interrupt_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace hyprstream::cli
