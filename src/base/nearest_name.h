// "Did you mean": the known name that a misspelt one is closest to.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace hyprstream {

// The candidate with the fewest edits (insert, delete, replace, swap of neighbours; ASCII case does not count), the
// first of equals. Empty when even that one needs more than a third of its letters (but at least two) changed.
std::string NearestName(std::string_view name, std::span<const std::string> candidates);

// ` (did you mean NAME?)`, or nothing when no candidate is near.
std::string DidYouMean(std::string_view name, std::span<const std::string> candidates);

}  // namespace hyprstream
