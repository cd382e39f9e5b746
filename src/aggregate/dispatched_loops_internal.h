// Loops over values that lie in a row, each compiled for AVX-512, AVX2 and the baseline; which one runs is decided when
// the program is loaded, by the processor that it is on.
//
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace hyprstream::aggregate {

// The least and the greatest of at least one value.
std::pair<std::int64_t, std::int64_t> LeastAndGreatest(const std::int64_t* values, std::size_t count);
std::pair<std::int32_t, std::int32_t> LeastAndGreatest(const std::int32_t* values, std::size_t count);

// How many of the first values are in [least, least + size).
std::size_t CountBefore(const std::int64_t* values, std::size_t count, std::int64_t least, std::uint64_t size);

// to[i] = max(to[i], from[i])
void MaxInto(std::uint8_t* to, const std::uint8_t* from, std::size_t count);
// to[i] += from[i]
void AddInto(std::uint32_t* to, const std::uint32_t* from, std::size_t count);

}  // namespace hyprstream::aggregate
