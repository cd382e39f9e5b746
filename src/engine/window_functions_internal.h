// The scalar functions that the queries behind tumble, hop and session are made of. They check what the parse tree does
// not show: the types of times and widths, and the values of widths.
//
//   hyprstream_event_time(function, time, row) -> TIMESTAMP, or TIMESTAMPTZ where the time is one; NULL also for
//   infinity hyprstream_window_width(function, argument, width) -> INTERVAL: the width, when windows can have it
//   hyprstream_window_end(start, width) -> the start's type; days are 24 hours and months those of UTC, as in
//   time_bucket hyprstream_hop_starts(time, slide, size) -> the starts of all windows that the time is in, the earliest
//   first
#pragma once

#include <cstdint>

namespace duckdb {
class Connection;
}

namespace hyprstream::engine {

inline constexpr const char* kEventTime = "hyprstream_event_time";
inline constexpr const char* kWindowWidth = "hyprstream_window_width";
inline constexpr const char* kWindowEnd = "hyprstream_window_end";
inline constexpr const char* kHopStarts = "hyprstream_hop_starts";

// Where time_bucket begins to count: 2000-01-03 00:00:00, in microseconds.
inline constexpr std::int64_t kWindowOriginUs = 946'857'600'000'000;

// In the system catalog; within the connection's transaction.
void RegisterWindowFunctions(duckdb::Connection& connection);

}  // namespace hyprstream::engine
