// "Did you mean": the nearest of the names that exist, for messages about one that does not.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hyprstream::base {

// The candidate with the smallest edit distance (ASCII case ignored), if it is close enough to be meant; else empty.
std::string_view Nearest(std::string_view name, std::span<const std::string_view> candidates);

// ` (did you mean X?)`, or nothing.
std::string DidYouMean(std::string_view name, std::span<const std::string_view> candidates);
std::string DidYouMean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace hyprstream::base
