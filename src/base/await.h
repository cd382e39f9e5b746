// A step that may never end, waited for no longer than a bound.
//
// Thread safety: all functions, from any thread.
#pragma once

#include <arrow/status.h>

#include <chrono>
#include <functional>
#include <optional>

namespace hyprstream {

// What the step gave. nullopt: it goes on, in a thread of its own that nobody joins; what it uses must outlive the
// process.
std::optional<arrow::Status> Await(std::function<arrow::Status()> step, std::chrono::milliseconds bound);

}  // namespace hyprstream
